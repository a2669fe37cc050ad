"""``xraylab doctor`` and ``xraylab data``: what this machine offers."""

from xraylab.cli.console import Table, say


def doctor():
    """Show platform, versions, disk and data, and test the accelerator with a convolution."""
    from xraylab.doctor import examine

    for topic, lines in examine().items():
        say(topic, bold=True)
        for line in lines:
            say(f"  {line}")


def data():
    """List the data sources and their state on this machine.

    phantom is simulated; chestmnist is downloaded; nih14 (ChestX-ray14) and chexpert are folders of
    image files from their publishers; folder is any other folder of images with a CSV table of
    labels. The path of an .npz file in MedMNIST's layout is a source, too.
    """
    from xraylab.data import data_root, sources

    table = Table("Source", "Size (px)", "State", "How", title="Data sources")
    for source in sources():
        state = source.state if source.path is None else f"{source.state}\n{source.path}"
        table.add_row(source.name, source.size, state, source.how)
    table.add_row("any .npz", "any", "", 'data.load("PATH.npz"), in the layout of MedMNIST')
    table.show()
    say(f"Downloads and caches: {data_root()} (set XRAYLAB_DATA to change it)")
