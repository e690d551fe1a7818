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
WORK: Final = {
    "home-shift": (
        "We cooked a simple supper together and made a shopping list.",
        "We sorted the post and filled in one form for housing.",
        "We tidied the room in three short rounds with pauses.",
        "We practised the bus route to the appointment on Thursday.",
    ),
    "therapy": (
        "We went through the week's log and marked two good moments.",
        "We took one thought from Tuesday apart and wrote down another way to see it.",
        "We looked at the goals and chose one small step for this week.",
        "We planned how to say no to an invitation without an excuse.",
    ),
    "day-centre": (
        "Took part in the kitchen group and set the table for eight.",
        "Joined the art table for most of the time and showed one picture.",
        "Played a board game, waited for turns, and lost with good grace.",
        "Walked with the group to the library and borrowed one book.",
    ),
    "overnight-shift": (
        "Went to bed at eleven after the wind-down routine; up once in the night for ten minutes.",
        "Awake until one; we sat in the kitchen with tea and talked a little.",
        "Slept through on all hourly checks.",
        "Called out once about a bad dream and settled after five minutes.",
    ),
    "video": (
        "We went over the plan for the week and set two reminders on the telephone.",
        "We talked about the first weeks of recovery and what helped each of us.",
        "Showed me the new plant on the window sill; we spoke about taking things slowly.",
        "We rehearsed the call to the landlord and made it right away.",
    ),
}
NEXT: Final = (
    "Next time: look at the log together and choose one step.",
    "Next time: invite the family member for the first half hour.",
    "Told the case manager that transport is still uncertain.",
    "Client asked for a reminder by text the evening before.",
)


def note_text(random: Random, story: Story, day: date, contact: tuple[str, str], skill: str | None) -> str:
    """A short note on a `contact` (its code and title); the mood follows the PHQ-9 total in force on `day`."""
    code, title = contact
    score = story.phq_9_around(day)
    moods = LIGHT if score < 8 else MIDDLING if score < 15 else HEAVY
    lines = [f"{title}. {story.person.given} {random.choice(moods)}", random.choice(WORK[code])]
    if skill:
        helped = "found it helpful" if score < 12 else "managed part of it"
        lines.append(f"Skill practised: {skill}. Client {helped}.")
    if score >= 15:
        lines.append(f"Watched for the known warning sign ({story.presentation.warning_sign}); none today.")
    return "\n".join([*lines, random.choice(NEXT)])
