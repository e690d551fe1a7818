"""The words of a progress note: what was done, how the client was, what comes next."""

from datetime import date
from random import Random
from typing import Final

from bhr_api.samples.story import Story

LIGHT: Final = (
    "was relaxed, made jokes and kept eye contact.",
    "talked about plans for the week without being asked.",
    "came ready, had slept well and had eaten breakfast.",
)
MIDDLING: Final = (
    "was quiet at first and warmed up after about ten minutes.",
    "spoke slowly, answered all questions, and named one worry.",
    "was tired but stayed until the end and took part.",
)
HEAVY: Final = (
    "looked worn out, gave short answers and cried once.",
    "did not want to start and needed several gentle prompts.",
    "said that everything feels like too much at the moment.",
)
WORK: Final = (
    "We cooked a simple supper together and made a shopping list.",
    "We sorted the post and filled in one form for housing.",
    "We practised the bus route to the appointment on Thursday.",
    "We went through the week's log and marked two good moments.",
    "We tidied the room in three short rounds with pauses.",
)
NEXT: Final = (
    "Next time: look at the log together and choose one step.",
    "Next time: invite the family member for the first half hour.",
    "Told the case manager that transport is still uncertain.",
    "Client asked for a reminder by text the evening before.",
)


def note_text(random: Random, story: Story, day: date, title: str, skill: str | None) -> str:
    """A short note on the contact called `title`; the mood follows the PHQ-9 total in force on `day`."""
    score = story.phq_9_around(day)
    moods = LIGHT if score < 8 else MIDDLING if score < 15 else HEAVY
    lines = [f"{title}. {story.person.given} {random.choice(moods)}", random.choice(WORK)]
    if skill:
        helped = "found it helpful" if score < 12 else "managed part of it"
        lines.append(f"Skill practised: {skill}. Client {helped}.")
    if score >= 15:
        lines.append(f"Watched for the known warning sign ({story.presentation.warning_sign}); none today.")
    return "\n".join([*lines, random.choice(NEXT)])
