"""Projects and profiles for tests: a plain one to vary, and hypothesis strategies that make any valid one."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from stacks.profile import Profile, load_profile
from workspaces.model import PERSONAL, Workspace

TODAY = date(2026, 11, 22)
ROOT = Path(__file__).parents[1]


def local_profile() -> Profile:
    return load_profile(ROOT / "stacks" / "profiles", "local")


def workspace(content: Mapping[str, object]) -> Workspace:
    return Workspace.model_validate(content, context={"today": TODAY})


def cohort() -> dict[str, object]:
    """The content of a valid workspace file; each call gives a copy of its own."""
    return {
        "name": "sleep-study",
        "title": "Sleep and blood pressure",
        "data_class": "pseudonymised",
        "permit": {"reference": "DR-2026-7", "expires": TODAY + timedelta(days=90)},
        "members": [{"name": "ada", "email": "ada@lab.example", "role": "lead"}],
        "tools": {"jupyterlab": {"size": "small"}},
        "storage": {"home_gib": 1},
    }


LABELS = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
MEMBERS = st.lists(
    st.builds(
        lambda name, role: {"name": name, "email": f"{name}@lab.example", "role": role},
        LABELS,
        st.sampled_from(["lead", "researcher", "reviewer", "data-manager"]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda member: member["name"],
)
WORKSPACES = st.fixed_dictionaries(
    {
        "name": LABELS,
        "title": st.text(min_size=1, max_size=200),
        "data_class": st.sampled_from(["synthetic", "anonymous", "pseudonymised", "identifying"]),
        "permit": st.fixed_dictionaries(
            {
                "reference": st.text(min_size=1),
                "expires": st.integers(0, 1000).map(lambda days: TODAY + timedelta(days=days)),
            }
        ),
        "members": MEMBERS,
        "tools": st.fixed_dictionaries(
            {
                "jupyterlab": st.fixed_dictionaries(
                    {"size": st.sampled_from(["small", "medium", "large"]), "terminals": st.booleans()}
                )
            },
            optional={"rstudio": st.just({"size": "medium"})},
        ),
        "storage": st.fixed_dictionaries({"home_gib": st.integers(1, 500)}),
        "idle_timeout_minutes": st.integers(5, 720),
        "state": st.sampled_from(["active", "frozen", "ended"]),
    }
).map(lambda content: workspace(_allowed(content)))


def _allowed(content: dict[str, Any]) -> dict[str, Any]:
    """The content without what the rules on personal data forbid."""
    if content["data_class"] in PERSONAL:
        content["tools"].pop("rstudio", None)
    return content
