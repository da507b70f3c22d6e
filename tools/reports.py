# SPDX-License-Identifier: MIT
"""What a suite came to, read from the JUnit reports that ctest and pytest write."""

import xml.etree.ElementTree as xml
from dataclasses import dataclass, field

# ctest calls both skipped tests and what it could not start "notrun".
SKIPPED_ON_PURPOSE = ("SKIP_RETURN_CODE", "SKIP_REGULAR_EXPRESSION_MATCHED")
# Where the reason begins, in what a test printed: of GoogleTest, the sanitizers, pytest.
SIGNS = (": Failure", "ERROR: ", "WARNING: ThreadSanitizer", "runtime error:", "E  ")
REASON_LINES, LINE_WIDTH, REASONS = 8, 160, 6


@dataclass
class Result:
    """How many tests passed and were skipped, and the names of those that failed, each with the
    lines that say why."""

    passed: int = 0
    skipped: int = 0
    failures: list = field(default_factory=list)

    @property
    def failed(self):
        return len(self.failures)

    def __iadd__(self, other):
        self.passed += other.passed
        self.skipped += other.skipped
        self.failures += other.failures
        return self

    def fail(self, name, reason=""):
        self.failures.append((name, reason))

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"

    def explain(self):
        """The failures again, for whoever sees only the end of the output."""
        for at, (name, reason) in enumerate(self.failures):
            print(f"failed: {name}")
            if reason and at < REASONS:
                print(reason)


def read(report, suite):
    """The result in a report; an empty one if it was not written."""
    result = Result()
    for case in xml.parse(report).getroot().iter("testcase") if report.exists() else ():
        unwell = [case.find("failure"), case.find("error")]
        skipped = case.find("skipped")
        status = case.get("status", "run" if skipped is None else "disabled")  # pytest has none.
        message = skipped.get("message", "") if skipped is not None else ""
        if any(part is not None for part in unwell) or status == "fail":
            result.fail(f"{suite} {name_of(case)}", reason_of(case, unwell))
        elif status == "run":
            result.passed += 1
        elif status == "disabled" or message.startswith(SKIPPED_ON_PURPOSE):
            result.skipped += 1
        else:
            result.fail(f"{suite} {name_of(case)}", f"  {message}")
    return result


def name_of(case):
    name, group = case.get("name"), case.get("classname", "")
    return name if group == name else f"{group}::{name}"


def reason_of(case, unwell):
    output = [part.text for part in [*unwell, case.find("system-out")] if part is not None]
    lines = "\n".join(text for text in output if text).splitlines()
    lines = [line for line in lines if line.strip() and not line.startswith("[")]
    begin = next((i for i, line in enumerate(lines) if any(sign in line for sign in SIGNS)),
                 max(0, len(lines) - REASON_LINES))
    return "\n".join(f"  {line}"[:LINE_WIDTH] for line in lines[begin:begin + REASON_LINES])
