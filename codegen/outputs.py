"""Which files a package has, and where they belong below a root folder."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("python", "c", "kaitai", "docs")


@dataclass(frozen=True)
class Outputs:
    """Places of the generated files, relative to a root.

    Attributes:
        command: what makes them again, for the first line of each.
        modules: folder of the generated modules.
        facade: folder of a package that binds evstream to the format; None for evstream itself.
        c_header, kaitai, docs: the C header, the folder of Kaitai files, the format reference.
        all_widths: whether there is a Kaitai file for every combination of widths, not only for
            the default one.
    """

    command: str
    modules: str
    facade: str | None
    c_header: str
    kaitai: str
    docs: str
    all_widths: bool = False

    @property
    def owned(self) -> dict[str, str]:
        """Folder -> pattern of the files in it that are the generator's alone."""
        header_folder = self.c_header.rpartition("/")[0]
        return {self.modules: "*.py", header_folder: "*.h", self.kaitai: "*.ksy"}

    def kind_of(self, path: str) -> str:
        """Which of KINDS a generated file is."""
        folder = path.rpartition("/")[0]
        if path == self.docs:
            return "docs"
        if folder == self.c_header.rpartition("/")[0]:
            return "c"
        return "kaitai" if folder == self.kaitai else "python"


OWN = Outputs(
    command="make generate",
    modules="src/evstream/_generated",
    facade=None,
    c_header="src/evstream/include/evstream.h",
    kaitai="docs/kaitai",
    docs="docs/format.md",
)
"""The files of evstream itself, below the root of the project."""

FILES = Outputs(
    command="make generate",
    modules="src/evstream/_generated/files",
    facade=None,
    c_header="src/evstream/include/files/evstream_files.h",
    kaitai="docs/kaitai/files",
    docs="docs/files.md",
)
"""Those that follow from spec/files.yaml, the binary files next to the streams."""


def package_outputs(package: str, *, all_widths: bool = False) -> Outputs:
    """The files of a package of its own, e.g. `mycodec`, below the folder to import it from."""
    folder = package.replace(".", "/")
    return Outputs(
        command="evstream generate",
        modules=f"{folder}/_generated",
        facade=folder,
        c_header=f"{folder}/include/{package.rpartition('.')[2]}.h",
        kaitai=f"{folder}/kaitai",
        docs=f"{folder}/format.md",
        all_widths=all_widths,
    )
