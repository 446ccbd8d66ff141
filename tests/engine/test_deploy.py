"""State in, run, state out: what an update does to the cloud and to the state."""

from dataclasses import replace

import pytest

from engine.aliases import Alias
from engine.cascade import without
from engine.errors import InputError, PartialFailure, ProviderError
from engine.values import UNKNOWN, Secret
from tests.engine.simulation import Ref, Simulation, Want, urn_of

NAMED = {"name": "fixed"}


def test_creates_what_is_new_and_nothing_twice(stack: Simulation) -> None:
    wants = [Want("a", {"size": 1}), Want("b", {"of": Ref("a", "serial")})]
    first = stack.up(wants)
    assert first.changes == {"create": 3}
    assert first["b"].inputs["of"] == 1
    again = stack.up(wants)
    assert again.changes == {"same": 3}
    assert stack.cloud.made("create") == ["a", "b"]


def test_a_preview_changes_nothing(stack: Simulation) -> None:
    plan = stack.preview([Want("a"), Want("b", {"of": Ref("a", "serial")})])
    assert plan.changes == {"create": 3}
    assert plan["b"].inputs["of"] is UNKNOWN
    assert not stack.cloud.calls
    assert not stack.files.checkpoint.exists()


def test_updates_in_place(stack: Simulation) -> None:
    stack.up([Want("a", {"size": 1})])
    ran = stack.up([Want("a", {"size": 2})])
    assert ran.operations == [("update", "a")]
    assert ran["a"].outputs["size"] == 2
    assert ran["a"].outputs["serial"] == 1


def test_replaces_by_creating_before_deleting(stack: Simulation) -> None:
    stack.cloud.immutable.add("zone")
    old = stack.up([Want("a", {"zone": 1})])["a"].id
    ran = stack.up([Want("a", {"zone": 2})])
    assert ran.operations == [("replace", "a"), ("create-replacement", "a"), ("delete-replaced", "a")]
    assert ran.changes == {"replace": 1, "same": 1}
    assert list(stack.cloud.objects) == [ran["a"].id] != [old]


def test_a_replacement_that_fails_does_not_count(stack: Simulation) -> None:
    def refuse(method: str, name: str) -> None:
        if method == "create":
            raise ProviderError("no room")

    stack.cloud.immutable.add("zone")
    stack.up([Want("a", {"zone": 1})])
    stack.cloud.before = refuse
    ran = stack.up([Want("a", {"zone": 2})])
    assert ran.errors == ["no room"]
    assert ran.changes == {"same": 1}


@pytest.mark.parametrize("by_provider", [True, False])
def test_replaces_by_deleting_before_creating(stack: Simulation, by_provider: bool) -> None:
    stack.cloud.immutable.add("zone")
    stack.cloud.delete_first = by_provider
    options = {} if by_provider else {"delete_before_replace": True}
    stack.up([Want("a", {"zone": 1, **NAMED})])
    ran = stack.up([Want("a", {"zone": 2, **NAMED}, options=options)])
    assert ran.operations == [("replace", "a"), ("delete-replaced", "a"), ("create-replacement", "a")]
    assert stack.cloud.objects["fixed"]["zone"] == 2


def test_the_program_overrules_a_provider_that_deletes_first(stack: Simulation) -> None:
    stack.cloud.immutable.add("zone")
    stack.cloud.delete_first = True
    stack.up([Want("a", {"zone": 1})])
    ran = stack.up([Want("a", {"zone": 2}, options={"delete_before_replace": False})])
    assert ran.operations[1] == ("create-replacement", "a")


def test_deleting_first_also_replaces_dependants_that_would_be(stack: Simulation) -> None:
    stack.cloud.immutable.update({"zone", "of"})
    wants = [
        Want("a", {"zone": 1, **NAMED}, options={"delete_before_replace": True}),
        Want("replaced", {"of": Ref("a", "serial")}),
        Want("updated", {"hint": Ref("a", "serial")}),
        Want("untouched", depends_on=("a",)),
    ]
    stack.up(wants)
    ran = stack.up([replace(wants[0], inputs={"zone": 2, **NAMED}), *wants[1:]])
    assert ran.operations == [
        ("replace", "a"),
        ("delete-replaced", "replaced"),
        ("delete-replaced", "a"),
        ("create-replacement", "a"),
        ("create-replacement", "replaced"),
        ("update", "updated"),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"name": "own", "namespace": "gone"}, {"name": "own", "namespace": UNKNOWN}),
        ([{"ref": "gone"}, 7], [{"ref": UNKNOWN}, 7]),
        ("gone", UNKNOWN),
        ({"text": "made of gone"}, UNKNOWN),
    ],
)
def test_only_what_came_from_the_deleted_resource_counts_as_lost(value: object, expected: object) -> None:
    assert without(value, {"gone"}) == expected


def test_replace_on_changes_turns_an_update_into_a_replacement(stack: Simulation) -> None:
    stack.up([Want("a", {"size": 1})])
    ran = stack.up([Want("a", {"size": 2}, options={"replace_on_changes": ("size",)})])
    assert ("replace", "a") in ran.operations


@pytest.mark.parametrize("pattern", ["size", "*"])
def test_ignored_changes_are_not_made(stack: Simulation, pattern: str) -> None:
    stack.up([Want("a", {"size": 1})])
    ran = stack.up([Want("a", {"size": 2}, options={"ignore_changes": (pattern,)})])
    assert ran.operations == []
    assert ran["a"].inputs["size"] == 1


def test_deletes_what_the_program_no_longer_names_dependants_first(stack: Simulation) -> None:
    stack.up([Want("a"), Want("b", depends_on=("a",)), Want("c", depends_on=("b",))])
    ran = stack.up([])
    assert stack.cloud.made("delete") == ["c", "b", "a"]
    assert ran.resources == []


def test_retained_resources_are_only_forgotten(stack: Simulation) -> None:
    stack.up([Want("a", options={"retain_on_delete": True})])
    ran = stack.up([])
    assert ran.operations[0] == ("delete", "a")
    assert len(stack.cloud.objects) == 1


def test_a_failure_stops_its_dependants_only(stack: Simulation) -> None:
    def fail(method: str, name: str) -> None:
        if (method, name) == ("create", "bad"):
            raise ProviderError("no room")

    stack.cloud.before = fail
    ran = stack.up(
        [Want("bad"), Want("needs", {"of": Ref("bad", "serial")}), Want("after", depends_on=("needs",)), Want("good")]
    )
    assert ran.names == ["good"]
    assert ran.errors == ["no room"]
    stack.cloud.before = lambda *_: None
    assert stack.up([Want("bad"), Want("needs", {"of": Ref("bad", "serial")}), Want("good")]).names.__len__() == 3


def test_nothing_is_removed_after_a_failure(stack: Simulation) -> None:
    stack.up([Want("old")])
    stack.cloud.refused.add("bad")
    ran = stack.up([Want("bad")])
    assert ran.names == ["old"]
    assert ran.errors == ["size: is not allowed"]


def test_what_is_not_ready_is_recorded_and_updated_again(stack: Simulation) -> None:
    def stall(method: str, name: str) -> None:
        if method == "created":
            object_id = next(iter(stack.cloud.objects))
            raise PartialFailure(object_id, stack.cloud.objects[object_id], ["no node"])

    stack.cloud.before = stall
    ran = stack.up([Want("a")])
    assert ran["a"].init_errors == ("no node",)
    assert ran.errors == ["no node"]
    stack.cloud.before = lambda *_: None
    assert stack.up([Want("a")]).operations == [("update", "a")]


def test_protected_resources_are_neither_deleted_nor_replaced(stack: Simulation) -> None:
    stack.cloud.immutable.add("zone")
    protected = Want("a", {"zone": 1}, options={"protect": True})
    stack.up([protected, Want("b")])
    ran = stack.up([replace(protected, inputs={"zone": 2})])
    assert "currently marked for protection" in ran.errors[0]
    ran = stack.up([])
    assert isinstance(ran.fatal, InputError)
    assert sorted(ran.names) == ["a", "b"]
    assert stack.cloud.made("delete") == []
    assert isinstance(stack.destroy().fatal, InputError)
    stack.up([Want("a", {"zone": 1})])
    assert stack.destroy().resources == []


@pytest.mark.parametrize(
    ("alias", "parent"),
    [(Alias(name="old"), ""), (Alias(urn=urn_of("old")), ""), (Alias(name="old", no_parent=True), "group")],
)
def test_an_alias_keeps_a_renamed_resource(stack: Simulation, alias: Alias, parent: str) -> None:
    stack.up([Want("old", NAMED), Want("user", {"of": Ref("old", "serial")})])
    group = [Want("group", type="cloud:index:Group", custom=False)] if parent else []
    ran = stack.up(
        [*group, Want("new", NAMED, aliases=(alias,), parent=parent), Want("user", {"of": Ref("new", "serial")})]
    )
    assert not [op for op, name in ran.operations if name != "group"]
    assert sorted(ran.names) == ["new", "user"]
    assert ran["user"].dependencies == (ran["new"].urn,)


def test_children_inherit_their_parents_aliases(stack: Simulation) -> None:
    group = Want("team", type="cloud:index:Group", custom=False)
    stack.up([group, Want("team-db", NAMED, parent="team")])
    renamed = Want(
        "crew", type="cloud:index:Crew", custom=False, aliases=(Alias(name="team", type="cloud:index:Group"),)
    )
    ran = stack.up([renamed, Want("crew-db", NAMED, parent="crew")])
    assert stack.cloud.made("delete") == []
    assert ran["crew-db"].outputs["serial"] == 1


def test_targets_limit_a_run(stack: Simulation) -> None:
    stack.up([Want("a", {"size": 1}), Want("b", {"size": 1})])
    ran = stack.up([Want("a", {"size": 2}), Want("b", {"size": 2}), Want("c")], targets=(urn_of("a"),))
    assert ran.operations == [("update", "a")]
    assert ran["b"].inputs["size"] == 1
    ran = stack.up([Want("c"), Want("a", depends_on=("c",))], targets=(urn_of("a"),))
    assert "does not exist and is not among the targets" in ran.errors[0]
    assert sorted(ran.names) == ["a", "b"]


def test_a_targeted_destroy_refuses_to_leave_dependants_without_ground(stack: Simulation) -> None:
    stack.up([Want("a"), Want("b", depends_on=("a",))])
    assert isinstance(stack.destroy(targets=(urn_of("a"),)).fatal, InputError)
    ran = stack.destroy(targets=(urn_of("b"),))
    assert ran.names == ["a"]


def test_a_changed_cluster_replaces_the_provider_and_all_it_manages(stack: Simulation) -> None:
    stack.up([Want("a")], config={"cluster": "one"})
    ran = stack.up([Want("a")], config={"cluster": "two"})
    assert [op for op, name in ran.operations if name == "a"] == ["replace", "create-replacement", "delete-replaced"]
    assert ran.changes == {"replace": 2}


def test_a_new_version_of_the_default_provider_replaces_nothing(stack: Simulation) -> None:
    stack.up([Want("a")])
    checkpoint = stack.files.checkpoint
    checkpoint.write_text(checkpoint.read_text().replace("default_1_2_3", "default_1_2_2").replace("1.2.3", "1.2.2"))
    ran = stack.up([Want("a")])
    assert [operation for operation, name in ran.operations if name == "a"] == []
    assert [name for operation, name in ran.operations if operation == "delete"] == ["default_1_2_2"]


def test_secrets_stay_secret_in_outputs_and_on_disk(stack: Simulation) -> None:
    want = Want("a", {"password": Secret("hunter2"), "nested": {"token": Secret("t0ken"), "open": 1}})
    ran = stack.up([replace(want, options={"additional_secret_outputs": ("serial",)})])
    outputs = ran["a"].outputs
    assert outputs["password"] == Secret("hunter2")
    assert outputs["nested"] == {"token": Secret("t0ken"), "open": 1}
    assert outputs["serial"] == Secret(1)
    assert "hunter2" not in stack.files.checkpoint.read_text()
    assert "hunter2" not in str(ran.events)
    assert stack.cloud.objects[ran["a"].id]["password"] == "hunter2"
    assert stack.up([replace(want, options={"additional_secret_outputs": ("serial",)})]).operations == []


def test_a_duplicate_name_ends_the_run(stack: Simulation) -> None:
    ran = stack.up([Want("a"), Want("a")])
    assert "Duplicate resource URN" in str(ran.fatal)


def test_refresh_records_drift_and_what_is_gone(stack: Simulation) -> None:
    first = stack.up([Want("a", {"size": 1}), Want("b")])
    stack.cloud.objects[first["a"].id]["size"] = 9
    del stack.cloud.objects[first["b"].id]
    ran = stack.refresh()
    assert ran.names == ["a"]
    assert ran["a"].outputs["size"] == 9
    assert ran.changes == {"update": 1, "delete": 1}
    repaired = stack.up([Want("a", {"size": 1}), Want("b")])
    assert repaired.operations == [("update", "a"), ("create", "b")]
    assert stack.cloud.objects[first["a"].id]["size"] == 1
