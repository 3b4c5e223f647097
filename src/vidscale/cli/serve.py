"""`vidscale serve`: the explorer and its API."""

import os
import sys
from typing import Annotated

import typer

from vidscale.cli.options import Costing, FitSource, Fitting, Printing, Reading
from vidscale.cli.screen import Screen


def serve(
    source: FitSource, *,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address to listen on; any but a loopback "
                                                                        "address lets other machines in.")]
    = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")] = 8080,
    allow_host: Annotated[list[str], typer.Option("--allow-host", metavar="NAME", show_default=False,
                                                  help="A name under which the server may be reached, beside the "
                                                       "loopback ones; repeatable.")] = [],  # noqa: B006
    open_page: Annotated[bool | None, typer.Option("--open/--no-open", show_default=False,
                                                   help="Open the page in a browser; by default where there is a "
                                                        "desktop.")] = None,
    reading: Reading, fitting: Fitting, costing: Costing, printing: Printing,
) -> None:
    """Serve the explorer and its JSON API.

    The explorer is a page to turn the budget on. It is at /, the API under /api/v1 with its description at
    /openapi.json. A study's folder or fit.json is read again when it changes, so that a deployment can poll as its data
    grow. Listens to this machine alone unless --host says otherwise. Ends with Ctrl-C.

    \b
    Example:
      vidscale serve paper-design --form add-interact --port 0
    """
    from vidscale.cli.needs import serve_extra
    from vidscale.cli.screen import use_threads
    from vidscale.cli.source import encoder, load_saved, open_model, saved_fit, study_settings

    serve_extra()
    screen = Screen(printing)
    saved = load_saved(source, reading, fitting, [])
    settings = study_settings(fitting, costing=costing, stored=None if saved is None else saved.cost_settings)
    use_threads(printing)
    from vidscale.serve import StudySource, create_app
    from vidscale.serve import run as process
    from vidscale.serve.guard import LOOPBACK

    bound = process.listen(host, port)
    try:
        with screen.progress(3 * len(settings.forms) + 2) as tick:
            model, notes = open_model(source, saved, reading, fitting, settings, [], tick, choosing=False)
        asked = None if costing == Costing() else settings.cost
        study = StudySource(model, path=saved_fit(source), cost=asked, encoder=encoder(costing, model.encoder))
        names = (*LOOPBACK, *([host] if not process.anywhere(host) else []), *allow_host)
        screen.notes(notes)
        address = process.address(bound)
        if not process.loopback(host):
            print(f"note: {host} can be reached from other machines: whoever reaches this port can read the study and "
                  "make this machine compute; there is no password and no encryption, so put a reverse proxy with both "
                  "in front of it, or bind to 127.0.0.1 and forward the port by ssh; requests have to name one of "
                  f"these hosts: {', '.join(names)} (--allow-host adds one)", file=sys.stderr)
        print(address, flush=True)
        if _wants_page(open_page, process.loopback(host)):
            import webbrowser

            webbrowser.open(address)
        process.run(create_app(study, hosts=names), bound)
    finally:
        bound.close()


def _wants_page(asked: bool | None, local: bool) -> bool:
    """Whether to open a browser: as asked, else where somebody sits at a desktop."""
    if asked is not None:
        return asked
    desktop = sys.platform in ("darwin", "win32") or any(os.environ.get(v) for v in ("DISPLAY", "WAYLAND_DISPLAY"))
    return local and desktop and sys.stdout.isatty()
