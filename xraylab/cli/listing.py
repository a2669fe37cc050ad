"""Commands that show what there is on this machine: ``doctor`` and ``data``."""


def doctor():
    """Show platform, versions, accelerator (tried by one real convolution), disk and data."""
    from rich.console import Console

    from xraylab.doctor import examine

    console = Console(soft_wrap=True)
    with console.status("trying the devices …"):
        findings = examine()
    for topic, lines in findings.items():
        console.print(f"[bold]{topic}[/]")
        for line in lines:
            console.print(f"  {line}", markup=False, highlight=False)


def data():
    """List the sources of images and where they lie on this machine.

    phantom is simulated; chestmnist is downloaded; nih14 (ChestX-ray14) and chexpert are folders of
    image files that you have fetched; folder is any other with a CSV table of labels, and a path
    any .npz file in MedMNIST's layout.
    """
    from rich.console import Console
    from rich.table import Table

    from xraylab.data import data_root, sources

    table = Table("Source", "Size (px)", "State", "How", title="Sources of images")
    for source in sources():
        state = source.state if source.path is None else f"{source.state}\n{source.path}"
        table.add_row(source.name, source.size, state, source.how)
    table.add_row("any .npz", "any", "", 'data.load("PATH.npz"), laid out as MedMNIST does')
    console = Console()
    console.print(table)
    console.print(f"Downloads and unpacked arrays: {data_root()} (XRAYLAB_DATA changes it)")
