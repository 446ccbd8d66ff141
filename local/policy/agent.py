"""The agent: keeps the node's rules equal to what the API says."""

import logging
import os
import threading
import time
from collections.abc import Sequence
from ipaddress import IPv4Network
from pathlib import Path

from local.policy.api import ApiClient
from local.policy.compile import compile_rules
from local.policy.errors import PolicyError
from local.policy.model import Cluster, Direction, Json, Policy, Selector, parse_namespace, parse_pod, parse_policy
from local.policy.nftables import Table, difference, listing, render, replacement, run_nft
from local.policy.rules import RuleSet
from local.policy.status import Status, now, write_status
from local.policy.watch import Mirror

HEARTBEAT = 5.0
"""Seconds between two looks at the kernel's table and two heartbeats, where nothing changes."""

RETRY = 1.0
"""Seconds before a refused transaction is tried again, as a replacement of the whole table."""

log = logging.getLogger(__name__)


class Enforcer:
    """The one table that is ours in this network namespace."""

    def __init__(self, table: str, pod_range: Sequence[IPv4Network]) -> None:
        self.table = table
        self._pod_range = pod_range
        self._standing: Table | None = None
        self._listing: str | None = None

    def close(self) -> None:
        """Let no pod communicate until rules are known, unless a former agent's rules still stand."""
        if listing(self.table) is None:
            run_nft(replacement(self.table, render(RuleSet(), self._pod_range)))

    def apply(self, rules: RuleSet) -> bool:
        """Bring the kernel's table to these rules; returns whether anything had to change.

        Raises:
            PolicyError: The kernel refused; the next call replaces the whole table.
        """
        wanted = render(rules, self._pod_range)
        standing, self._standing = self._standing, None
        text = replacement(self.table, wanted) if standing is None else difference(self.table, standing, wanted)
        if text:
            run_nft(text)
            self._listing = listing(self.table)
        self._standing = wanted
        return bool(text)

    def is_untouched(self) -> bool:
        """Whether the kernel's table is as this enforcer left it. If not, the next `apply` replaces it whole."""
        if self._standing is not None and listing(self.table) != self._listing:
            self._standing = None
        return self._standing is not None


class Agent:
    """Follows pods, namespaces and policies, and enforces what they add up to."""

    def __init__(self, client: ApiClient, enforcer: Enforcer, status_file: Path) -> None:
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._enforcer = enforcer
        self._status_file = status_file
        self._pods = Mirror(client, "/api/v1/pods", parse_pod, self._changed)
        self._namespaces = Mirror(client, "/api/v1/namespaces", parse_namespace, self._changed)
        self._policies = Mirror(client, "/apis/networking.k8s.io/v1/networkpolicies", read_policy, self._changed)
        self._mirrors = (self._pods, self._namespaces, self._policies)
        self._generations: tuple[int, ...] = ()
        self._applied = ""
        self._counts = {"pods": 0, "policies": 0}
        self._versions: dict[str, int] = {}
        self._verify_at = 0.0

    def run(self) -> None:
        """Enforce until told to stop. The rules stay when it returns.

        Raises:
            PolicyError: nft cannot be used at all here.
        """
        self._status_file.unlink(missing_ok=True)
        self._enforcer.close()
        for mirror in self._mirrors:
            mirror.start()
        wait = HEARTBEAT
        while not self._stopping.is_set():
            self._changed.wait(wait)
            self._changed.clear()
            wait = self._turn()

    def stop(self) -> None:
        """Make `run` return."""
        self._stopping.set()
        self._changed.set()

    def _turn(self) -> float:
        """Enforce what changed and report; returns the seconds until the next turn is due."""
        try:
            self._verify()
            current = all(mirror.live for mirror in self._mirrors)
            if current:
                self._enforce()
        except PolicyError as error:
            log.error("%s; trying again", error)  # noqa: TRY400 - the message says it all
            self._generations = ()
            return RETRY
        self._report(current)
        return HEARTBEAT

    def _verify(self) -> None:
        """Every `HEARTBEAT` seconds, see to it that a table changed by another hand is replaced."""
        if not self._applied or time.monotonic() < self._verify_at:
            return
        self._verify_at = time.monotonic() + HEARTBEAT
        if not self._enforcer.is_untouched():
            log.warning("table inet %s was changed by someone else; replacing it", self._enforcer.table)
            self._generations = ()

    def _enforce(self) -> None:
        """Enforce one view of the cluster. Called only while every watch stands.

        A pod seen while the policies' watch is broken could otherwise be let go without its isolation. Versions and
        generations are read before the objects: the objects may be newer than they say, never older.
        """
        versions = {mirror.path.rpartition("/")[2]: int(mirror.version) for mirror in self._mirrors}
        generations = tuple(mirror.generation for mirror in self._mirrors)
        if generations != self._generations:
            self._apply(Cluster(self._namespaces.objects(), self._pods.objects(), self._policies.objects()))
            self._generations = generations
        self._versions = versions

    def _apply(self, cluster: Cluster) -> None:
        rules = compile_rules(cluster)
        self._counts = {"pods": len(rules.judged[Direction.INGRESS]), "policies": len(cluster.policies)}
        if self._enforcer.apply(rules):
            self._applied = now()
            log.info("rules stand for %(pods)d pods and %(policies)d policies", self._counts)

    def _report(self, current: bool) -> None:
        """Write the status file, once a first complete rule set stands."""
        if self._applied:
            status = Status(
                ready=True,
                current=current,
                resourceVersion=max(self._versions.values()),
                resourceVersions=self._versions,
                **self._counts,
                applied=self._applied,
                heartbeat=now(),
                pid=os.getpid(),
                table=self._enforcer.table,
            )
            write_status(self._status_file, status)


def read_policy(json: Json) -> Policy:
    """Read a policy. One that this agent cannot read isolates its whole namespace: it fails closed, and says so."""
    try:
        return parse_policy(json)
    except (KeyError, ValueError, TypeError) as error:
        namespace, name = json["metadata"]["namespace"], json["metadata"]["name"]
        log.error("policy %s/%s cannot be read, its namespace is closed: %r", namespace, name, error)  # noqa: TRY400
        return Policy(namespace, name, Selector(), dict.fromkeys(Direction, ()))
