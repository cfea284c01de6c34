"""Service desk shorthand written out, because encoders were trained on whole words."""

from __future__ import annotations

import hashlib
import re

_WORDS = """
pw password; pwd password; passwd password; pswd password; acct account; accts accounts; usr user;
usrs users; pls please; plz please; asap urgently; kb keyboard; kbd keyboard; lappy laptop;
mtg meeting; bldg building; rm room; dept department; msg message; msgs messages; fw firewall;
lic license; conn connection; srv server; svr server; db database; dbs databases;
cfg configuration; auth authentication; mgr manager; appt appointment;
lan LAN network; wlan wireless network; wifi wi-fi; ssid wireless network;
mfp printer; mfd printer; ppt PowerPoint; xls Excel; xlsx Excel;
rdp remote desktop; gpo group policy; wfh working from home; cant cannot;
wont will not; doesnt does not; dont do not; isnt is not; rst reset;
reqd required; req request; inet internet; mob mobile phone; temps temporary workers;
hdd hard disk; perms permissions; prod production;
abt about; wk week; hrs hours; err error; errs errors; mins minutes; ppl people;
evry1 everyone; every1 everyone; some1 someone; 2moro tomorrow; tmrw tomorrow; 2day today;
thx thanks; lckd locked; prntr printer; ntwrk network; netwrk network; scrn screen;
kybrd keyboard; cnct connect; calndr calendar; appts appointments; docs documents; nos numbers;
wrk work; wrkng working; thurs Thursday; weds Wednesday; whos who is; didnt did not; acess access;
passwrd password; pasword password; passord password; recieve receive; lisence licence;
instal install; compter computer; emial email; attachement attachment; adress address
"""
#: Hash of the list: vectors made with another one differ.
SHORTHAND = hashlib.sha256(_WORDS.encode()).hexdigest()[:8]

_LONG = dict(pair.strip().split(" ", 1) for pair in _WORDS.split(";"))
_SHORT = re.compile(rf"\b(?:{'|'.join(sorted(_LONG, key=len, reverse=True))})\b", re.IGNORECASE)


def written_out(text: str) -> str:
    """The text with common English shorthand as words."""
    return _SHORT.sub(lambda found: _LONG[found.group().lower()], text)
