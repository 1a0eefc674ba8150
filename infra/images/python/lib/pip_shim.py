"""Stands in for pip: says in a sentence why nothing can be fetched here, and hands everything else to the real one."""
import os
import sys

REAL = "/opt/pip/pip"
FETCHING = {"install", "download", "wheel", "index", "search"}
SENTENCE = ("This site opens no way out to package indexes, so pip can fetch nothing. What is installed already: pip list. "
            "A wheel that you uploaded into your work folder can be installed: pip install --no-index ./name.whl")


def says_no(words):
    command = next((w for w in words if not w.startswith("-")), "")
    return command in FETCHING and "--no-index" not in words and not {"-h", "--help"} & set(words) and not os.environ.get("PORTAL_WAY_OUT")


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
        print("pip is not part of this site's images, which are made of Debian's packages alone.", file=sys.stderr)
        return 1
    os.execv(sys.executable, [sys.executable, REAL, *words])


if __name__ == "__main__":
    sys.exit(main())
