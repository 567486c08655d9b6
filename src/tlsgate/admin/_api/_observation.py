"""
What is served, by which worker, and why; liveness, readiness, metrics; who did what.
"""

from __future__ import annotations

from ...problems import Problem
from ...sites import Scheme
from ...tls import CertificateSelector
from .._audit import rfc3339
from .._metrics import CONTENT_TYPE_LATEST, Measured, certificate_exposition, exposition
from .._operations import Answer, Call, Operations, Parameter
from .._problem import to_json
from .._tokens import Permission
from .._traffic_findings import traffic_findings
from ._bindings import SHOWN as BINDING
from ._entries import effective
from ._observation_schemas import AuditPage, Health, Ready, SniAnswer, Status
from ._shapes import shown_schema, with_lists
from ._shown import certificates_content, object_content
from ._site_state import HSTS_STATE, REDIRECT_STATE, shown_sites

operations = Operations()

#: Of the status: sites with the state of what they tell browsers.
SITE = shown_schema(
    "SiteSettings",
    **{
        name: {member: part for member, part in shown_schema(model, state=state).items() if member != "$defs"}
        for name, model, state in (
            ("redirect", "RedirectSettings", REDIRECT_STATE),
            ("hsts", "HSTSSettings", HSTS_STATE),
        )
    },
)
STATUS = with_lists(Status, bindings=BINDING, sites=SITE, upstreams=shown_schema("UpstreamSettings"))


@operations.operation(
    "GET",
    "/healthz",
    permission=Permission.VIEW_SETTINGS,
    summary="The process answers.",
    answers={200: Health},
    local=True,
)
async def show_health(call: Call) -> Answer:
    """
    Liveness.
    """
    return Answer(document={"status": "ok"})


@operations.operation(
    "GET",
    "/readyz",
    permission=Permission.VIEW_SETTINGS,
    summary="All workers serve; 503 before.",
    answers={200: Ready},
    codes=("not-ready",),
    local=True,
)
async def show_ready(call: Call) -> Answer:
    """
    Readiness.
    """
    if not call.control.ready():
        raise Problem("not-ready", "Not all workers serve yet.", retry_after=1)
    return Answer(document={"status": "ready", "generation": call.control.changes.current.number})


@operations.operation(
    "GET",
    "/metrics",
    permission=Permission.VIEW_SETTINGS,
    summary="Metrics for Prometheus.",
    answers={200: None},
    media=("text/plain",),
    local=True,
)
async def show_metrics(call: Call) -> Answer:
    """
    Metrics.
    """
    control = call.control
    measured = Measured(
        reports=await control.data_plane.report(),
        generation=control.changes.current.number,
        last_change=control.last_change,
        orders=control.orders(),
        renewals=control.renewals(),
        served=control.served(),
        broken_files=control.broken_files(),
    )
    # Of thousands of certificates, in a thread; what workers counted is counted on meanwhile, in this process too.
    certificates = await control.changes.in_thread(certificate_exposition, control.changes.snapshot.certificates)
    return Answer(content=exposition(measured) + certificates, content_type=CONTENT_TYPE_LATEST)


@operations.operation(
    "GET",
    "/api/v1/status",
    permission=Permission.VIEW_SETTINGS,
    summary="What is served, by which worker, and what there is to say about it.",
    answers={200: STATUS},
)
async def show_status(call: Call) -> Answer:
    """
    Everything at a glance.
    """
    control = call.control
    changes = control.changes
    current = changes.current
    reports = await control.data_plane.report()
    ports = control.data_plane.ports()
    traffic = traffic_findings(reports, changes.snapshot.sites)
    findings = [finding.as_json() for finding in (*changes.findings(), *traffic, *control.standing())]
    confirm_by = changes.confirm_by()
    document = {
        "generation": current.number,
        "confirm_by": None if confirm_by is None else rfc3339(confirm_by),
        "ready": control.ready(),
        "workers": {
            "serving": sum(report.generation == current.number for report in reports),
            "total": len(reports),
            "processes": [
                {"pid": report.pid, "generation": report.generation, "memory": report.memory} for report in reports
            ],
        },
        "bindings": [{**entry, "port": ports.get(entry["name"], 0)} for entry in effective(call, "binding")],
        "sites": shown_sites(call),
        "upstreams": effective(call, "upstream"),
        "findings": findings,
    }
    members = {name: to_json(value).rstrip() for name, value in document.items()}
    members["certificates"] = await certificates_content(call)
    return Answer(content=object_content(members), etag=current.number)


@operations.operation(
    "GET",
    "/api/v1/sni",
    permission=Permission.VIEW_SETTINGS,
    summary="Which certificate serves a name on each https binding, and why.",
    parameters=(
        Parameter(
            name="name",
            description="The server name as a client sends it; without it, a client that sends none.",
            schema={"type": "string", "maxLength": 255},
        ),
    ),
    answers={200: SniAnswer},
)
async def explain_sni(call: Call) -> Answer:
    """
    The selector's own explanation, on what is served now.
    """
    snapshot = call.control.changes.snapshot
    name = call.query.get("name")
    shown = []
    for binding in snapshot.bindings:
        if binding.scheme is not Scheme.HTTPS:
            continue
        selector = CertificateSelector(
            snapshot.certificates,
            default=binding.default_certificate,
            strict=binding.strict_sni,
            profile=binding.tls_profile,
            clock=call.control.wall,
        )
        choice = selector.explain(name)
        shown.append(
            {
                "binding": binding.name,
                "certificate": choice.names[0] if choice.names else None,
                **choice.as_json(),
            }
        )
    return Answer(document={"name": name or "", "bindings": shown}, etag=snapshot.generation)


@operations.operation(
    "GET",
    "/api/v1/audit",
    permission=Permission.VIEW_SETTINGS,
    summary="Who did what, newest first.",
    parameters=(
        Parameter(
            name="limit", description="How many at most.", schema={"type": "integer", "minimum": 1, "maximum": 1000}
        ),
        Parameter(
            name="since",
            description="Leave out what was before this time, RFC 3339 in UTC.",
            schema={"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$"},
        ),
        Parameter(name="author", description="Only what this principal did.", schema={"type": "string"}),
        Parameter(
            name="code",
            description="Only what was refused with this code.",
            schema={"type": "string", "pattern": "^[a-z0-9-]*$"},
        ),
    ),
    answers={200: AuditPage},
)
async def show_audit(call: Call) -> Answer:
    """
    The audit log.
    """
    query = call.query
    records = await call.control.audit.read(
        limit=query.get("limit", 100),
        since=query.get("since", ""),
        author=query.get("author", ""),
        code=query.get("code", ""),
    )
    return Answer(document={"records": records})
