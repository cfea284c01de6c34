"""Usual tickets, read once at the start: they show how wide an encoder's numbers get."""

#: In the languages of the topic bank.
SAMPLES = (
    "My laptop does not start since the update this morning, the screen stays black.",
    "Please create an account and a mailbox for a colleague who starts on Monday 4 May.",
    "VPN drops every 10 minutes!!! cannot work from home, pls help asap",
    'Request: access to the shared drive "Finance Q3" (read and write), order no. 4711.',
    "Drucker im 2. OG druckt leere Seiten, Fehlermeldung 0x610000f6",
    "Bonjour, j'ai oublié mon mot de passe et mon compte est bloqué.",
    "La cafetera está rota; ¿quién puede venir a repararla?",
    "Gostaria de saber quando a fatura será paga.",
    "Non riesco ad aprire gli allegati della posta",
    "server db-prod-02: schijf voor 98% vol",
)
