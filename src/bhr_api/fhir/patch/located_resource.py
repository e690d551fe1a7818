"""A resource whose elements can be changed where a FHIRPath finds them (FHIR R4, fhirpatch.html and json.html).

FHIRPath gives nodes without places, and equal texts or numbers are one object in Python. So every primitive is given a
companion of its own, the object `_name` that JSON keeps for its id and extensions: empty ones are invisible to FHIRPath
and left out again at the end, and by identity they tell which of several equal values was found. The arrays of values
and of companions always have one length.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from bhr_api.fhir.definitions import PRIMITIVE_TYPES, ElementDefinition, Resource, is_type, json_names
from bhr_api.fhir.patch.json_values import copied
from bhr_api.fhirpath.nodes import Node


@dataclass(frozen=True, slots=True)
class Home:
    """Where an element lives: property `key` of `holder`, an object of type `type`; `child` is what it is known by."""

    child: Resource
    holder: Resource
    type: str
    key: str

    @property
    def element(self) -> ElementDefinition:
        """What R4 says of the element."""
        return json_names(self.type)[self.key][0]

    @property
    def is_primitive(self) -> bool:
        """Whether the child is the companion of a primitive, and not the value itself."""
        return _is_primitive(self.type, self.key)

    @property
    def index(self) -> int | None:
        """The place of the child in its array, None if the property is no array."""
        children = self.holder["_" + self.key if self.is_primitive else self.key]
        if not isinstance(children, list):
            return None
        return next(index for index, child in enumerate(children) if child is self.child)

    @property
    def value(self) -> Any:
        """The element's JSON value, None for a primitive that has only id or extensions."""
        content, index = self.holder.get(self.key), self.index
        return content if index is None or content is None else content[index]

    @property
    def length(self) -> int:
        """How many elements the property has."""
        children = self.holder[self.key]
        return len(children) if isinstance(children, list) else 1


@dataclass(frozen=True, slots=True)
class Content:
    """A value to be placed, plain JSON; `companion` is what stands beside a primitive, None to leave that as it is."""

    value: Any
    companion: Any = None


class LocatedResource:
    """A copy of a resource, to be found in, changed, and given back."""

    def __init__(self, resource: Resource) -> None:
        self._homes: dict[int, Home] = {}
        self.root = self._grown(resource, resource["resourceType"])

    @property
    def size(self) -> int:
        """How many elements the resource has had so far."""
        return len(self._homes)

    @property
    def resource(self) -> Resource:
        """The resource as it is now, in plain JSON."""
        return _plain(self.root)

    # Finding

    def is_known(self, node: Node) -> bool:
        """Whether the node is the resource or an element of it, and not a computed value."""
        return node.value is self.root or self.home_of(node) is not None

    def home_of(self, node: Node) -> Home | None:
        """Where the node stands; None for the resource itself and for what is not part of it."""
        return self._homes.get(id(object_of(node)))

    def levels_above(self, holder: Resource) -> int:
        """In how many objects and arrays the properties of `holder` stand."""
        levels = 1
        while (home := self._homes.get(id(holder))) is not None:
            levels += 1 if home.index is None else 2
            holder = home.holder
        return levels

    # Changing

    def insert(self, holder: Resource, type_name: str, key: str, content: Content, index: int | None = None) -> None:
        """Set a property that is absent; insert into one that repeats, at its end when there is no index."""
        if json_names(type_name)[key][0].max == 1:
            self._set(holder, type_name, key, content)
            return
        values = holder.setdefault(key, [])
        position = len(values) if index is None else index
        if _is_primitive(type_name, key):
            values.insert(position, content.value)
            companion = self._companion(content.companion, holder, type_name, key)
            holder.setdefault("_" + key, []).insert(position, companion)
        else:
            values.insert(position, self._complex(content.value, holder, type_name, key))

    def replace(self, home: Home, key: str, content: Content) -> None:
        """Set the element to the content, whose type makes it the property `key` of the same element."""
        index, holder = home.index, home.holder
        if index is None:
            companion = self._renamed(home, key)
            self._set(holder, home.type, key, content, companion)
        elif not home.is_primitive:
            holder[key][index] = self._complex(content.value, holder, home.type, key)
        else:
            holder[key][index] = content.value
            if content.companion is not None:
                holder["_" + key][index] = self._companion(content.companion, holder, home.type, key)

    def remove(self, home: Home) -> None:
        """Take the element out, and every object and array that is empty without it (json.html: there are none)."""
        index, holder = home.index, home.holder
        for name in (home.key, "_" + home.key):
            if index is None:
                holder.pop(name, None)
            elif name in holder:
                del holder[name][index]
                if not holder[name]:
                    del holder[name]
        self._prune(holder)

    def move(self, home: Home, source: int, destination: int) -> None:
        """Move an item of the array that `home` is in."""
        for name in (home.key, "_" + home.key):
            if name in home.holder:
                items = home.holder[name]
                items.insert(destination, items.pop(source))

    def _prune(self, holder: Resource) -> None:
        home = self._homes.get(id(holder))
        if holder or home is None:
            return
        if home.is_primitive and home.value is not None:
            return
        self.remove(home)

    def _renamed(self, home: Home, key: str) -> Any:
        """Give the property its new name where it stands, and tell the companion that it had."""
        holder, names = home.holder, {home.key: key, "_" + home.key: "_" + key}
        members = [(names.get(name, name), value) for name, value in holder.items()]
        holder.clear()
        holder.update(members)
        return holder["_" + key] if home.is_primitive else None

    def _set(self, holder: Resource, type_name: str, key: str, content: Content, companion: Any = None) -> None:
        if not _is_primitive(type_name, key):
            holder[key] = self._complex(content.value, holder, type_name, key)
            holder.pop("_" + key, None)
            return
        holder[key] = content.value
        if content.value is None:
            del holder[key]
        if companion is None or content.companion is not None:
            holder["_" + key] = self._companion(content.companion, holder, type_name, key)
        else:
            holder["_" + key] = self._at_home(companion, holder, type_name, key)

    # Growing

    def _grown(self, source: Mapping[str, Any], type_name: str) -> Resource:
        """A copy of an object of this type, in the same order, in which every element has its home."""
        grown: Resource = dict.fromkeys(source)
        names = json_names(type_name) if is_type(type_name) else {}
        for key, content in source.items():
            name = key.removeprefix("_")
            is_primitive = name in names and _is_primitive(type_name, name)
            if is_primitive and (key == name or name not in source):
                self._grow_primitive(grown, type_name, name, source.get(name), source.get("_" + name))
            elif key in names and not is_primitive:
                items = [self._complex(item, grown, type_name, key) for item in _listed(content)]
                grown[key] = items if isinstance(content, list) else items[0]
            elif not is_primitive:
                grown[key] = copied(content)
        return grown

    def _grow_primitive(self, grown: Resource, type_name: str, name: str, value: Any, companion: Any) -> None:
        if isinstance(value, list) or isinstance(companion, list):
            pairs = list(zip_longest(_listed(value), _listed(companion)))
            grown[name] = [each for each, _ in pairs]
            grown["_" + name] = [self._companion(each, grown, type_name, name) for _, each in pairs]
            return
        if value is not None:
            grown[name] = value
        grown["_" + name] = self._companion(companion, grown, type_name, name)

    def _companion(self, source: Any, holder: Resource, type_name: str, key: str) -> Resource:
        code = json_names(type_name)[key][1]
        grown = self._grown(source, code) if isinstance(source, dict) else {}
        return self._at_home(grown, holder, type_name, key)

    def _complex(self, source: Any, holder: Resource, type_name: str, key: str) -> Any:
        if not isinstance(source, dict):
            return copied(source)
        code = json_names(type_name)[key][1]
        actual = source.get("resourceType") if code == "Resource" else code
        return self._at_home(self._grown(source, str(actual)), holder, type_name, key)

    def _at_home(self, child: Resource, holder: Resource, type_name: str, key: str) -> Resource:
        # The home keeps the child, so that its identity is never that of another object.
        self._homes[id(child)] = Home(child, holder, type_name, key)
        return child


def object_of(node: Node) -> Any:
    """The object that has the children of a node: the value, or what stands beside a primitive."""
    return node.value if isinstance(node.value, dict) else node.companion


def _is_primitive(type_name: str, key: str) -> bool:
    return json_names(type_name)[key][1] in PRIMITIVE_TYPES


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _plain(grown: Resource) -> Resource:
    found: Resource = {}
    for key, content in grown.items():
        plain = _plain_content(content)
        if not key.startswith("_"):
            # An array that holds no value at all was made beside its companions.
            if not (isinstance(plain, list) and plain and all(item is None for item in plain)):
                found[key] = plain
        elif isinstance(plain, list):
            kept = [item or None for item in plain]
            if any(kept):
                found[key] = kept
        elif plain:
            found[key] = plain
    return found


def _plain_content(content: Any) -> Any:
    if isinstance(content, dict):
        return _plain(content)
    return [_plain_content(item) for item in content] if isinstance(content, list) else content
