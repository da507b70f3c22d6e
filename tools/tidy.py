#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks what a reviewer should not have to: sizes, leftovers, files that nothing builds.

Reads every file that git tracks or would track. `--self-test` plants offences and finds them.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

FILE_LINES = 350  # Code lines, without blanks and comments.
FUNCTION_LINES = 60
EXEMPT = ("tests/", "python/tests/")  # A file that is one table of data is named here, too.
CPP = (".cpp", ".hpp", ".h")
CODE = (*CPP, ".py", ".pyi", ".cmake", "CMakeLists.txt")

LEFTOVERS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
MACHINE_PATH = re.compile(r"""(?:^|[\s"'`=(:,])/(?:work|tmp|root)(?:/|\b)""")
# A registry is named by its host: any address outside this list is asked about.
ADDRESS = re.compile(r"https?://([^/\s\"'>)\]`,]+)")
HOSTS = re.compile(r"(.*\.)?(w3\.org|creativecommons\.org|rfc-editor\.org|doi\.org|github\.com)"
                   r"|(.*\.)?amazonaws\.com|169\.254\.\d+\.\d+|127\.0\.0\.1(:.*)?|localhost(:.*)?|(.*\.)?example(\.(com|org|net))?(:\d+)?")
REGISTRY = re.compile(r"\b(deb|security|snapshot|registry|proxy|static|index|files|repo\d?)"
                      r"\.[a-z]+\.(org|com|io|net)\b")
DEAD_CODE = re.compile(r"^\s*//(?!/)\s*(?:\}|(?:if|for|while|return|auto|const|std::)\b.*[;{]"
                       r"|[\w:.>-]+\(.*\);|[\w.:<>*& ]+ = .*;)\s*$")
# Comments, preprocessor lines and the inside of literals are no code; initializers are no blocks.
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
                   r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'", re.DOTALL)
DIRECTIVE = re.compile(r"^[ \t]*#(?:.*\\\n)*.*", re.MULTILINE)
INITIALIZER = re.compile(r"(?<=[\w>)\](])\{[^{}]*\}")
NOT_A_FUNCTION = re.compile(r"^\s*(namespace\b|(template|struct|class|union|enum)\b"
                            r"(?!.*\)\s*(const|noexcept|override|final|->.*|\s)*$))|=\s*$", re.DOTALL)


def blank(pattern, text, literal=""):
    """Replaces what matches, but keeps its line ends, so that lines can still be counted."""
    return pattern.sub(lambda m: (literal if m[0][0] in "\"R'" else "") + "\n" * m[0].count("\n"),
                       text)


def code_lines(name, text):
    lines = blank(NOISE, text, '""').splitlines() if name.endswith(CPP) else [
        line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return sum(1 for line in lines if line.strip())


def functions(text):
    """(first line, length) of each outermost function body in formatted code."""
    text = blank(INITIALIZER, blank(DIRECTIVE, blank(NOISE, text, '""')))
    depth = head = start = 0
    for at, letter in enumerate(text):
        if start == 0 and letter in ";{}":
            if letter == "{" and "(" in text[head:at] and not NOT_A_FUNCTION.search(text[head:at]):
                start = text.count("\n", 0, at) + 1 - text[head:at].strip().count("\n")
                depth = 0
            head = at + 1
        if start != 0 and letter in "{}":
            depth += 1 if letter == "{" else -1
            if depth == 0:
                yield start, text.count("\n", 0, at) + 2 - start
                start, head = 0, at + 1


# What it makes of a temporary aggregate or closure beside `co_await` is destroyed twice, or early.
BROKEN_AWAIT = re.compile(r"(co_await|co_return)[^;]*([{\[?]|\bnew\b)")


def sizes(name, text):
    if name.startswith(EXEMPT):
        return
    lines = code_lines(name, text)
    if name.endswith(CODE) and lines > FILE_LINES:
        yield 1, f"{lines} code lines, at most {FILE_LINES}"
    if name.endswith(CPP):
        for first, length in functions(text):
            if length > FUNCTION_LINES:
                yield first, f"a function of {length} lines, at most {FUNCTION_LINES}"


def leftovers(name, text):
    code = name.endswith(CODE)
    if (code or text.startswith("#!")) and "SPDX-License-Identifier: MIT" not in text[:200]:
        yield 1, "no SPDX line"
    for number, line in enumerate(text.splitlines(), 1):
        if LEFTOVERS.search(line):
            yield number, "a note to self"
        if line != line.rstrip() or code and "\t" in line:
            yield number, "a tab or a trailing blank"
        if name.endswith(CPP) and DEAD_CODE.match(line):
            yield number, "code in a comment"
        if name.endswith(CPP) and BROKEN_AWAIT.search(line):
            yield number, "braces, ?:, new or a lambda beside co_await, which gcc 12 breaks"
        if name.startswith(("src/", "include/", "python/src/")) and "std::cout" in line:
            yield number, "std::cout in a library"
        if MACHINE_PATH.search(line):
            yield number, "a path of somebody's machine"
        if REGISTRY.search(line) or not all(HOSTS.fullmatch(h) for h in ADDRESS.findall(line)):
            yield number, "an address outside the list of tools/tidy.py"


def unbuilt(root, names):
    """Sources, public headers and tests that no CMake list names."""
    lists = " ".join((root / n).read_text() for n in names if n.endswith("CMakeLists.txt"))
    listed = set(re.split(r"[\s()\"]+", lists))
    for name in names:
        folder, _, rest = name.partition("/")
        inner = {"src": rest, "include": f"include/{rest}", "tests": rest.removesuffix(".cpp"),
                 "python": rest}
        wanted = name.endswith((".cpp", ".hpp") if folder == "include" else ".cpp")
        if folder in inner and wanted and not rest.startswith("consumer/"):
            if not any(word.endswith((inner[folder], rest)) for word in listed):
                yield name, 1, "no CMake list names it"


def tracked(root):
    listing = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             cwd=root, capture_output=True, text=True, check=False)
    if listing.returncode == 0:
        return sorted(n for n in listing.stdout.split("\0") if n and (root / n).is_file())
    names = (p.relative_to(root) for p in root.rglob("*") if p.is_file())  # An archive without git.
    return sorted(str(n) for n in names if not {".git", "build", "__pycache__"} & set(n.parts))


def check(root):
    names = tracked(root)
    offences = list(unbuilt(root, names))
    for name in names:
        try:
            text = (root / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # Data.
        if name.startswith("tests/fuzz/corpus/"):
            continue  # Of any bytes.
        offences += [(name, *o) for judge in (sizes, leftovers) for o in judge(name, text)]
    return [f"{name}:{line}: {why}" for name, line, why in sorted(offences)]


def self_test():
    spdx = "// SPDX-License-Identifier: MIT\n"
    body = "  f();\n" * 59
    bad = {
        "src/a/long.cpp": spdx + "int x;\n" * 351,
        "src/a/function.cpp": spdx + "A::A(int n)\n    : a_{n} {\n" + body + "}\n",
        "src/a/method.hpp": spdx + "struct S {\n  int f() const {\n" + body + "  }\n};\n",
        "src/a/note.cpp": spdx + "// TO" "DO: later\n",
        "src/a/dead.cpp": spdx + "// return 1;\n",
        "src/a/print.cpp": spdx + "void f() { std::cout << 1; }\n",
        "src/a/await.cpp": spdx + "void f() { int n = co_await g(" + "{1}); }\n",
        "src/a/tab.cpp": spdx + "\tint x;\n",
        "src/a/blank.cpp": spdx + "int x; \n",
        "src/a/bare.cpp": "int x;\n",
        "src/a/unbuilt.cpp": spdx,
        "python/src/unbuilt.cpp": spdx,
        "python/src/print.cpp": spdx + "void f() { std::cout << 1; }\n",
        "python/dcache/bare.pyi": "x: int\n",
        "docs/path.md": "see /" "work/main\n",
        "docs/host.md": "from https:/" "/packages.invalid/x\n",
    }
    fine = {
        "src/a/good.cpp": spdx + "// See f(x); it says: why.\nint f() {\n" + body[:-8] + "}\n",
        "src/a/brackets.cpp": spdx + 'auto s = R"({{{)";\nchar c = \'{\';\nint n = 1\'000;\n',
        "tests/a/long_test.cpp": spdx + "int x;\n" * 999,
        "python/tests/test_long.py": "#" + spdx[2:] + "x = 1\n" * 999,
        "CMakeLists.txt": "# SPDX-License-Identifier: MIT\n",
    }
    built = [n for n in bad | fine if n.endswith(".cpp") and "unbuilt" not in n]
    fine["CMakeLists.txt"] += "\n".join(f"{n.removesuffix('.cpp')}\n{n}" for n in built)
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in (bad | fine).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        found = {line.split(":")[0] for line in check(root)}
    return [f"self test: {name} is judged wrongly" for name in sorted(found ^ set(bad))]


if __name__ == "__main__":
    tree = pathlib.Path(__file__).resolve().parent.parent
    problems = self_test() if "--self-test" in sys.argv else check(tree)
    print("\n".join(problems) or "tidy: nothing to complain about")
    sys.exit(1 if problems else 0)
