"""What a file is, by its first bytes: for errors about files that are not what they should be."""

KINDS = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer, in place of the file (`git lfs pull` gets it)",
    ),
    (b"PK", "a zip archive (an .npz file, or one of torch.save)"),
    (b"\x93NUMPY", "a single array (.npy)"),
    (b"\x80", "a pickle, which is never loaded, as it can run any program"),
    (b"\x89PNG", "a PNG picture"),
    (b"\x1f\x8b", "gzip"),
    (b"\x89HDF", "HDF5"),
    (b"<", "an HTML page, as a server sends it in place of a file"),
)


def looks_like(content: bytes) -> str:
    """What the first bytes say."""
    if not content:
        return "it is empty"
    for start, kind in KINDS:
        if content[:1000].lstrip().startswith(start):
            return f"it looks like {kind}"
    if len(content) > 8 and content[8:9] == b"{":
        return "it looks like .safetensors, whole or damaged"
    return f"it begins with {content[:8]!r}"
