"""`neptuneml learn QUERY`."""

import click
from rich.console import Console

from neptuneml_plugin.client import ServiceClient
from neptuneml_plugin.commands.options import service_options
from neptuneml_plugin.display import answers_page, print_page, shown_jobs
from neptuneml_plugin.errors import FailureByQuery
from neptuneml_plugin.jobclient import CHAIN, JobClient
from neptuneml_plugin.learn import read_lesson

_err = Console(stderr=True, highlight=False)


@click.command("learn")
@click.argument("query")
@click.option("--endpoint", metavar="NAME", help="The endpoint to make or to update.  [default: by the query]")
@click.option("--trials", type=click.IntRange(1), help="Trainings to choose from.  [default: 2]")
@service_options
def learn_command(query: str, endpoint: str | None, trials: int | None, url: str, token: str | None) -> None:
    """Learn what QUERY predicts, deploy it, and run the query.

    \b
      neptuneml learn 'g.V().hasLabel("movie").values("genre").with("Neptune#ml.classification").limit(5)'

    Exports the graph of the service's Gremlin Server, as far as the query needs it, processes, trains and deploys.
    """  # noqa: D301 - click's mark for text that keeps its lines
    lesson = read_lesson(query)
    chain = lesson.chain(endpoint, trials)
    name = chain["endpoint"].get("id")
    if name in ServiceClient(url, token).list_endpoints():
        chain["endpoint"]["update"] = True
    from neptuneml_plugin.questions import ask_text, check_plugin

    check_plugin(url, token)
    client = JobClient(url, token)
    chain_id = client.start(CHAIN, chain)
    _err.print(f"chain {chain_id}", markup=False)
    with shown_jobs(_err) as told:
        status = client.wait(CHAIN, chain_id, told)
    if status["status"] != "Completed":
        raise FailureByQuery(f"chain '{chain_id}' is {status['status']}: {status.get('failureReason', '')}")
    deployed = next(part["id"] for part in status["parts"] if part["part"] == "endpoint")
    answer = ask_text(url, token, lesson.asked_of(deployed))
    print_page(answers_page(answer, status))
