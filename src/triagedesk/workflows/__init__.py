"""All work that goes on beside requests: runs, tickets that come by themselves, schedules.

Read `work` first: what each kind of job does. Then

    runs        the command line's run: the same way, in one process
    durable     a run's steps as the engine records and shares them
    inbox       webhook tickets, worked off in batches
    upkeep      what a desk does by itself between runs
    schedules   what is due by the clock
    duty        the rounds of a process: jobs handed over, ticks, takeovers
    workers     a process's workers, started and stopped
    process     its name and heartbeat among the others
    engine      the one file that knows DBOS
    following   how far a job is, and whether it is to go on
    memory      models and catalog of a process that lives long
    asking      beginning, cancelling, taking up and showing runs, from any host

`pipeline` and everything below know nothing of this. docs/durability.md says what survives what.
"""
