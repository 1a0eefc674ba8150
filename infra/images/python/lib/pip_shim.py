"""Stands in for pip: explains why nothing can be downloaded here, and passes everything else to the real pip."""
import os
import sys

REAL = "/opt/pip/pip"
FETCHING = {"install", "download", "wheel", "index", "search"}
SENTENCE = ("This site does not give notebooks access to package indexes, so pip cannot download anything. To see what is installed: pip list. "
            "To install a wheel that you uploaded to your work folder: pip install --no-index ./name.whl")


def says_no(words):
    command = next((w for w in words if not w.startswith("-")), "")
    return command in FETCHING and "--no-index" not in words and not {"-h", "--help"} & set(words) and not os.environ.get("PORTAL_EGRESS_PROXY")


def tell_installed(between):
    from importlib.metadata import distributions
    print(*sorted({f"{d.name}{between}{d.version}" for d in distributions()}, key=str.lower), sep="\n")
    return 0


def main():
    words = sys.argv[1:]
    if says_no(words):
        print(SENTENCE, file=sys.stderr)
        return 1
    if not os.path.isdir(REAL) and words in (["list"], ["freeze"]):
        return tell_installed("==" if words == ["freeze"] else " ")
    if not os.path.isdir(REAL):
        print("This site's images do not include pip; they are built from Debian packages only.", file=sys.stderr)
        return 1
    os.execv(sys.executable, [sys.executable, REAL, *words])


if __name__ == "__main__":
    sys.exit(main())
