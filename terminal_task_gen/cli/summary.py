"""What a finished run shows: the funnel, its domains, and where the files lie."""

from __future__ import annotations

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from terminal_task_gen.config import Config
from terminal_task_gen.errors import UsageError
from terminal_task_gen.export.report import FunnelLine, Group, Report, list_funnel
from terminal_task_gen.store import RunDirectory


def print_summary(config: Config) -> None:
    """Print the funnel of the corpus report; nothing when there is none yet."""
    path = RunDirectory(config.run_dir).corpus_dir / "report.json"
    if not path.is_file():
        return
    try:
        report = Report.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise UsageError(f"{path} is damaged; write it anew with: ttg filter {config.run_place}") from error
    console = Console()
    console.print()
    console.print(_draw_funnel(list_funnel(report)))
    console.print(_draw_domains(report.domains))
    usage = report.usage
    console.print(
        f"{usage.calls} teacher calls, {usage.prompt_tokens:,} prompt and {usage.completion_tokens:,} completion tokens"
        + (f", ${usage.cost_usd:.2f}" if usage.cost_usd else ""),
        highlight=False,
    )
    console.print(Text(f"corpus: {config.run_place}/corpus   card: README.md   numbers: report.json"))
    console.print(Text(f'load:   datasets.load_dataset("{config.run_dir}/corpus", split="train")'))
    console.print(
        Text(f"train:  ttg export {config.run_place} --format messages   (or conversations, verl, harbor, …; ttg mix)")
    )


def _draw_funnel(lines: tuple[FunnelLine, ...]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("stage", style="dim")
    table.add_column("")
    table.add_column("count", justify="right")
    stage = ""
    for line in lines:
        shown = line.stage if line.stage != stage else ""
        stage = line.stage
        if line.part_of:
            table.add_row(shown, f"  {line.label}", str(line.count), style="dim")
        else:
            table.add_row(shown, Text(line.label, style="bold"), Text(str(line.count), style="bold"))
    return table


def _draw_domains(groups: tuple[Group, ...]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("domain")
    for heading in ("tasks", "rejected", "rollouts", "passed", "kept", "dropped"):
        table.add_column(heading, justify="right")
    for group in groups:
        counts = (group.tasks, group.rejected, group.trajectories, group.passed, group.kept, group.dropped)
        table.add_row(group.name, *map(str, counts))
    return table
