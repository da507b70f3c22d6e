# SPDX-License-Identifier: MIT
"""The same on `async def`: awaited like the function, and all who ask at once wait for one run."""

import asyncio

from dcache import MISSING, dcache


@dcache(ttl="10m")
async def page(number):
    """Stands for a request to somewhere else."""
    print(f"  fetching page {number}")
    await asyncio.sleep(0.02)
    return f"text of page {number}"


async def main():
    """Ask, ask all at once, give up, and use the verbs."""
    print(await page(1))  # The body runs,
    print(await page(1))  # and here it does not.

    # A hundred that ask at once wait for one request, each as a task of its own.
    texts = await asyncio.gather(*(page(2) for _ in range(100)))
    print(f"{len(texts)} times {texts[0]}")

    # One that gives up leaves the others their result.
    patient = asyncio.create_task(page(3))
    await asyncio.sleep(0)  # The patient one begins.
    try:
        await asyncio.wait_for(page(3), timeout=0.005)
    except asyncio.TimeoutError:
        print("one gave up")
    print("the other has", await patient)

    # The verbs are awaited, too.
    await page.invalidate(1)
    print("page 1 is known:", await page.peek(1) is not MISSING)
    print(await page.refresh(1))
    print(page.cache_info().misses, "bodies run")


asyncio.run(main())

# Prints:
#   fetching page 1
# text of page 1
# text of page 1
#   fetching page 2
# 100 times text of page 2
#   fetching page 3
# one gave up
# the other has text of page 3
# page 1 is known: False
#   fetching page 1
# text of page 1
# 4 bodies run
