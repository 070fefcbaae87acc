"""Push a model to the Hugging Face Hub by huggingface_hub's own client: private unless its owner says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hierattn.errors import HubError, UsageError, require
from hierattn.hub import PUSHED, explain, repository


@dataclass(frozen=True)
class Place:
    """A repository as the hub knows it before a push: whether it is there, and whether anybody can read it."""

    name: str
    exists: bool
    public: bool


def find_place(name: str) -> Place:
    """What the hub says of a repository that is to be pushed to.

    Raises
    ------
    UsageError
        For a name that is none.
    HubError
        Where the hub cannot be reached or refuses, or there is no token.
    """
    place, revision = repository(name)
    if revision != "main":
        raise UsageError(f"{name}: wanted OWNER/NAME without a revision; a push makes a new one")
    require("huggingface_hub", "hub")
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import RepositoryNotFoundError

    if get_token() is None:
        raise HubError(f"{place}: no token for the hub: 'hf auth login', or set HF_TOKEN to one that may write")
    try:
        info = HfApi().model_info(place)
    except RepositoryNotFoundError:
        return Place(place, exists=False, public=False)
    except Exception as error:
        raise HubError(explain(error, place)) from None
    return Place(place, exists=True, public=not info.private)


def push(folder: Path, place: Place, *, public: bool = False) -> str:
    """Push what :func:`~hierattn.deploy.hub.public_copy.make_public_copy` made, in one commit; its address.

    Nothing but :data:`~hierattn.hub.PUSHED` is sent, whatever lies in the folder.

    Parameters
    ----------
    folder
        The public copy.
    place
        What :func:`find_place` said.
    public
        Whether anybody may read it. An existing repository keeps what it is; a public one is pushed to only with this.

    Raises
    ------
    UsageError
        Where the repository is public and ``public`` was not asked for, or a file is missing.
    HubError
        Where the hub refuses or cannot be reached, or a new repository is not private although it was to be.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    missing = [name for name in PUSHED if not (folder / name).is_file()]
    if missing:
        raise UsageError(f"{folder} lacks {', '.join(missing)}: make it again")
    if place.public and not public:
        raise UsageError(f"{place.name} is public: add --public, or push to another repository")
    api = HfApi(library_name="hierattn")
    try:
        if not place.exists:
            api.create_repo(place.name, private=not public, exist_ok=True)
        if not public and not api.model_info(place.name).private:
            raise HubError(f"{place.name} was to be private and is public: nothing was pushed; see its settings")
        additions = [CommitOperationAdd(name, folder / name) for name in PUSHED]
        commit = api.create_commit(place.name, additions, commit_message="A model by hierattn push")
    except HubError:
        raise
    except Exception as error:
        raise HubError(explain(error, f"pushing to {place.name}")) from None
    return str(commit.commit_url)
