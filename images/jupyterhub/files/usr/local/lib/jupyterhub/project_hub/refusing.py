"""A refusal as JupyterHub shows it to the person."""

from tornado.web import HTTPError


def forbidden(reason: str) -> HTTPError:
    """Make the error whose page is `templates/403.html`.

    The reason is no log message: Tornado would log it together with the address of the request, which holds the
    issuer's code.
    """
    error = HTTPError(403)
    error.jupyterhub_message = reason  # type: ignore[attr-defined] - jupyterhub.handlers.base.BaseHandler.write_error
    return error
