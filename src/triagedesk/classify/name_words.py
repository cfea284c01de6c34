"""Words beside which names stand, in English, German, French, Spanish, Italian, Portuguese, Dutch.

Written for this purpose; lower case, compared whatever the case of a text.
"""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(word.replace("_", " ") for word in text.split())


#: A name follows, perhaps after a full stop.
TITLES: Final = _words(
    "mr mrs ms miss mx dr prof herr herrn frau monsieur madame mademoiselle mme mlle señor "
    "señora señorita sr sra srta doña signor signora signorina sig senhor senhora meneer "
    "mevrouw dhr mevr"
)

#: A name follows in the same line.
INTRODUCTIONS: Final = _words(
    "my_name_is name_is signed_by on_behalf_of my_colleague our_colleague my_manager my_boss "
    "our_new_hire new_hire new_starter new_employee new_joiner new_colleague the_user for_user "
    "employee mein_name_ist ich_heiße ich_heisse mein_kollege meine_kollegin unser_kollege "
    "unsere_kollegin mein_chef meine_chefin neue_mitarbeiterin neuer_mitarbeiter "
    "der_mitarbeiter die_mitarbeiterin im_auftrag_von im_namen_von je_m'appelle je_m’appelle "
    "mon_nom_est mon_collègue ma_collègue mon_responsable notre_collègue nouvel_employé "
    "nouvelle_employée de_la_part_de me_llamo mi_nombre_es mi_compañero mi_compañera mi_jefe "
    "mi_jefa nuevo_empleado nueva_empleada de_parte_de mi_chiamo il_mio_nome_è il_mio_collega "
    "la_mia_collega il_collega la_collega nuovo_dipendente nuova_dipendente per_conto_di "
    "meu_nome_é chamo-me me_chamo meu_colega minha_colega novo_funcionário nova_funcionária "
    "mijn_naam_is ik_heet mijn_collega onze_collega nieuwe_medewerker namens"
)

#: A name follows after a colon.
HEADINGS: Final = _words(
    "from sent_by to cc name full_name first_name last_name surname requester requested_by "
    "reported_by caller user employee contact contact_person manager approver approved_by owner "
    "von an vorname nachname anwender anwenderin benutzer mitarbeiter ansprechpartner "
    "gemeldet_von de à nom prénom utilisateur demandeur demandé_par contact_person para nombre "
    "apellido apellidos usuario solicitante da a nome cognome utente richiedente apelido "
    "usuário utilizador van aan naam voornaam achternaam gebruiker aanvrager melder"
)

#: A name may follow, to whom it is addressed.
GREETINGS: Final = _words(
    "hi hello hey dear good_morning good_afternoon good_evening morning hallo liebe lieber moin "
    "servus guten_tag guten_morgen sehr_geehrte sehr_geehrter bonjour bonsoir salut cher chère "
    "hola buenos_días buenas_tardes estimado estimada querido querida ciao salve buongiorno "
    "buonasera gentile caro cara egregio olá bom_dia boa_tarde prezado prezada goedemorgen "
    "goedemiddag goedendag beste geachte"
)

#: A name may follow, perhaps on the next line, of who wrote.
CLOSINGS: Final = _words(
    "regards kind_regards best_regards warm_regards many_thanks thanks thank_you thanks_a_lot "
    "thx cheers sincerely yours_sincerely best_wishes all_the_best rgds br "
    "mit_freundlichen_grüßen mit_freundlichen_gruessen freundliche_grüße viele_grüße "
    "beste_grüße liebe_grüße schöne_grüße herzliche_grüße viele_gruesse beste_gruesse gruß "
    "grüße gruss mfg vg lg danke vielen_dank besten_dank cordialement bien_cordialement "
    "bien_à_vous sincères_salutations merci merci_d'avance saludos un_saludo atentamente "
    "gracias muchas_gracias cordialmente cordiali_saluti distinti_saluti saluti grazie "
    "grazie_mille un_saluto atenciosamente obrigado obrigada cumprimentos "
    "com_os_melhores_cumprimentos abraço met_vriendelijke_groet met_vriendelijke_groeten "
    "vriendelijke_groet groeten groetjes groet mvg bedankt dank"
)

#: Small words inside names.
PARTICLES: Final = _words(
    "von van vom zu zum zur der den de del della di da das dos do du la le les el al bin ibn "
    "ben y e af av ter ten te 't san st"
)

#: Capitalised words that stand where names do and are none.
NOT_NAMES: Final = _words(
    # Whom a ticket greets besides people, and how sentences go on after a greeting or a thank you.
    "all team everyone everybody support helpdesk desk service it ict help hr admin admins "
    "administrator sir madam sirs folks guys colleague colleagues there again both i we you he "
    "she it they my our your his her their the a an this that these those there here please "
    "could can cannot can't would will when where what why how who which while since after "
    "before if is are was were do does did has have had not no yes and or but so as at by for "
    "from in of on to with just also since today yesterday tomorrow now new old thanks thank "
    "regards kind best hello hi dear good morning afternoon evening damen herren zusammen "
    "kollegen kollegin kollege kolleginnen leute alle ihr sie ich wir du er es mein meine unser "
    "unsere der die das den dem ein eine einen bitte kann können seit nach vor wenn ist sind "
    "war nicht kein keine und oder aber mit für von im in am auf zu heute gestern gerne danke "
    "grüße viele beste liebe schöne freundliche herr herrn frau dr prof tous toutes équipe "
    "messieurs mesdames monsieur madame je nous vous il elle le la les un une mon ma mes notre "
    "votre mon pouvez pourriez depuis quand est sont pas merci bonjour equipo todos todas "
    "señores yo nosotros usted el los las una mi mis nuestro no puedo puede desde cuando por "
    "favor gracias hola tutti team squadra signori io noi voi lui lei il lo gli i uno mio mia "
    "nostro non posso può da quando per favore grazie ciao equipa equipe todos senhores eu nós "
    "você o a os as um uma meu minha não consigo desde quando por obrigado olá allemaal "
    "collega's heer mevrouw ik wij jij u hij zij het een mijn ons onze kan kunnen sinds wanneer "
    "niet geen en of maar alvast bedankt groet groeten "
    # Days and months.
    "monday tuesday wednesday thursday friday saturday sunday january february march april may "
    "june july august september october november december montag dienstag mittwoch donnerstag "
    "freitag samstag sonntag januar februar märz mai juni juli oktober dezember "
    # Things and firms that tickets name.
    "windows microsoft office outlook teams excel word powerpoint sharepoint onedrive onenote "
    "azure google chrome gmail drive adobe acrobat photoshop oracle sap citrix vmware linux "
    "ubuntu apple mac macbook iphone ipad android samsung dell lenovo hp canon epson xerox "
    "cisco vpn wifi wi-fi lan internet network netzwerk server email e-mail mail password "
    "passwort laptop notebook printer drucker monitor screen phone telefon account konto access "
    "zugang license licence salesforce jira confluence slack zoom github gitlab docker jenkins "
    "python java sql database firefox edge safari explorer bitlocker active directory group "
    "groups finance sales marketing legal production department office building floor room "
    "monitor user users request ticket incident issue problem error login account accounts"
)

#: Names that are words as well: alone they are taken for the word.
AMBIGUOUS: Final = NOT_NAMES | _words(
    "mark grant bill frank drew chase hope grace rose dawn summer art page max rob pat sue jack "
    "guy dean gene ray ward victor melody joy faith angel christian francis mercedes chelsea "
    "paris florence austin houston dakota savannah virginia carolina jordan israel chance misty "
    "sandy heather holly ivy olive ginger amber crystal ruby pearl destiny trinity skip buddy "
    "iris viola penny terra sierra asia india king long brown white black green young price "
    "park banks field stone wood bell cook baker miller carter day fox hunt lane rice rich "
    "sharp short small wells west north south east best early love major noble power swift wise "
    "case cash close code cross fair field gates hand head hill home house law mills moon moss "
    "nail nice parks pool post reed ring root rush self shell ship show stern storm street "
    "strong sweet town train tree true wall waters way weeks winter wolf work worth jan don job "
    "lot mar jet che wolf ernst kai heide rosa stein berg bach klein groß gross lang kurz neu "
    "schwarz weiß braun grün koch bauer richter schneider vogel kaiser könig sommer herbst "
    "zimmer post blanc petit grand roux leroy martin luz paz mar sol leon león campos flores "
    "rios blanco delgado moreno calle costa serra rossi bianco neri gallo leone martini silva "
    "santos cruz reis pinto rocha melo vega de_jong bakker visser smit boer kok dijk berg bos "
    "vos system info test data point lead link lance chip dot norm gig mac mike victor oscar "
    "sierra delta romeo echo alpha beta julia ada perl pascal"
)
