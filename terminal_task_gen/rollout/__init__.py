"""The rollout stage: an actor teacher at a terminal, and what its work is worth.

    attempt.py       which attempts there are; their ids are known before they run
    rollout.py       one attempt from the sandbox's start to a Trajectory or a Rejection
    agent.py         the loop of turns, and every way it can stop
    protocol.py      Terminus-2 apart from its dialect; json_dialect.py the dialect; observation.py the cut of output
    verify.py        the verdict; fresh.py a fresh sandbox to give it in
    prompts/         the first message, as data

A rollout that ran is data whatever its reward; one that broke is a Rejection that says whose fault it was.
"""
