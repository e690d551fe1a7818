"""The chart of one client while it is being written: its story, its dice, and the resources so far."""

from random import Random

from bhr_api.fhir.definitions import Resource
from bhr_api.samples import staff
from bhr_api.samples.datatypes import reference
from bhr_api.samples.story import Story


class Chart:
    """Collects the resources of one client; ids are `<patient id>-<name>`, so that every run writes the same ones."""

    def __init__(self, story: Story, random: Random) -> None:
        self.story = story
        self.random = random
        self.resources: list[Resource] = []

    def add(self, resource_type: str, name: str, body: Resource) -> Resource:
        """A Reference to the resource now added; `name` is empty for the Patient alone."""
        self.resources.append({"resourceType": resource_type, "id": self._id(name)} | body)
        return self.refer(resource_type, name)

    def refer(self, resource_type: str, name: str) -> Resource:
        """A Reference to a resource of this chart, written already or later."""
        return reference(resource_type, self._id(name))

    @property
    def patient(self) -> Resource:
        """A Reference to the client."""
        return reference("Patient", self.story.patient_id, self.story.person.full_name)

    @property
    def relative(self) -> Resource:
        """A Reference to the family member."""
        return self.refer("RelatedPerson", "family") | {"display": self.story.relative.full_name}

    @property
    def organization(self) -> Resource:
        """A Reference to the organisation in whose care the client is."""
        return staff.organization(self.story.organization)

    def practitioner(self, role: str) -> Resource:
        """A Reference to the member of the client's team in `role`."""
        return staff.practitioner(self.story.team, role)

    def _id(self, name: str) -> str:
        return f"{self.story.patient_id}-{name}" if name else self.story.patient_id
