"""What a project forbids its members' servers: `downloads` and `uploads` of files, `terminals`.

These rules keep files from crossing by a click. They are no wall against intent: who may read data on a screen and run
code can copy text by hand. The walls are the network policies and the permit.
"""

from jupyter_server.base.handlers import AuthenticatedFileHandler
from jupyter_server.files.handlers import FilesHandler
from jupyterhub.singleuser.extension import JupyterHubAuthorizer


def authorizer(forbidden):
    """Make the class by which the server decides on each request of a signed-in member.

    Args:
        forbidden: Words of the list above.
    """

    class ProjectAuthorizer(JupyterHubAuthorizer):
        def is_authorized(self, handler, user, action, resource):
            return kind(handler, action, resource) not in forbidden and super().is_authorized(
                handler, user, action, resource
            )

    return ProjectAuthorizer


def kind(handler, action, resource):
    """Name what a request does in the words above, None if it is something else."""
    if resource == "terminals":
        return "terminals"
    if resource == "nbconvert" or isinstance(handler, (AuthenticatedFileHandler, FilesHandler)):
        return "downloads"
    if resource == "contents" and action == "write" and is_upload(handler.get_json_body() or {}):
        return "uploads"
    return None


def is_upload(model):
    """Whether a file's new content comes from the browser's machine: JupyterLab sends those as base64 or in chunks.

    What an editor saves comes as text, and so does an uploaded notebook, which nothing tells from a saved one.
    """
    return model.get("format") == "base64" or "chunk" in model
