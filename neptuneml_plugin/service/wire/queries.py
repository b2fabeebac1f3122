"""Query strings of the management routes (specification, appendix A; decision 3)."""

from neptuneml_plugin.service.jobs.record import JobState
from neptuneml_plugin.service.wire.exports import STATUS as EXPORT_STATUS
from neptuneml_plugin.service.wire.jobs import wire_status
from neptuneml_plugin.service.wire.members import DEFAULT_MAX_ITEMS, LARGEST_MAX_ITEMS
from neptuneml_plugin.service.wire.requests import ACCEPTED, Member, Shape

STATES = tuple(dict.fromkeys(wire_status(state) for state in JobState))
ROLE = Member("neptuneIamRoleArn", Shape.ARN, ACCEPTED)
CLEAN = Member("clean", Shape.FLAG, "Whether what it has written is removed.")

#: Of a job or an endpoint.
READ = (ROLE,)
LIST = (
    Member("maxItems", Shape.COUNT, f"1 to {LARGEST_MAX_ITEMS}; {DEFAULT_MAX_ITEMS} where absent."),
    Member("nextToken", Shape.TEXT, "What the page before has given."),
    ROLE,
)
LIST_JOBS = (*LIST, Member("state", Shape.TEXT, "Only the jobs of this state.", choices=STATES))
#: Exports go by their own words, and by those of other jobs.
LIST_EXPORTS = (
    *LIST,
    Member(
        "state",
        Shape.TEXT,
        "Only the exports of this state.",
        choices=(*dict.fromkeys(EXPORT_STATUS.values()), *STATES),
    ),
)
DELETE = (CLEAN, ROLE)
CANCEL = (*DELETE, Member("purge", Shape.FLAG, "Whether a job that has ended is forgotten."))
