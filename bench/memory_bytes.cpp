// SPDX-License-Identifier: MIT
// Bytes that a full dcache::Memory has allocated for each entry, less the key and the value.
//
//   memory_bytes [--check]
//
// Counts what is asked of operator new in this program. A table is filled and then churned with
// as many new keys again, so that what the policy remembers of evicted entries is counted too.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <string>

#include "dcache/memory.hpp"

#include "workload.hpp"

namespace {

std::size_t bytes_held = 0;  // This program has one thread.

/// Asked for and how far the block begins before what the caller got: kept right in front of it.
struct Label {
  std::size_t size;
  std::size_t offset;
};

void* allocate(std::size_t size, std::size_t alignment) {
  const std::size_t offset = alignment < sizeof(Label) ? sizeof(Label) : alignment;
  const std::size_t whole = (size + offset + alignment - 1) / alignment * alignment;
  auto* const block = static_cast<char*>(std::aligned_alloc(alignment, whole));
  if (block == nullptr) throw std::bad_alloc();
  const Label label{size, offset};
  std::memcpy(block + offset - sizeof label, &label, sizeof label);
  bytes_held += size;
  return block + offset;
}

void release(void* given) {
  if (given == nullptr) return;
  auto* const place = static_cast<char*>(given);
  Label label{};
  std::memcpy(&label, place - sizeof label, sizeof label);
  bytes_held -= label.size;
  std::free(place - label.offset);
}

constexpr std::size_t usual = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

}  // namespace

// The array and nothrow forms end up here.
void* operator new(std::size_t size) { return allocate(size, usual); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* given) noexcept { release(given); }
void operator delete(void* given, std::size_t) noexcept { release(given); }
void operator delete(void* given, std::align_val_t) noexcept { release(given); }
void operator delete(void* given, std::size_t, std::align_val_t) noexcept { release(given); }

namespace {

using Table = dcache::Memory<std::uint64_t, std::uint64_t>;
using namespace std::chrono_literals;

enum Options : unsigned { plain, with_ttl, with_everything, kinds };
constexpr const char* names[kinds] = {"plain", "with a ttl",
                                      "with ttl, idle time and refresh time"};
constexpr double most[kinds] = {24, 36, 44};

void store(Table& table, std::uint64_t key, Options options) {
  if (options != with_everything) {
    table.put(key, key);
    return;
  }
  const dcache::engine::Terms terms{.dies = table.after(1h), .review = table.after(30min)};
  table.store(key, std::uint64_t{key}, dcache::engine::Hash<std::uint64_t>{}(key), terms, nullptr);
}

struct Measured {
  double bytes;  // An entry, besides key and value.
  std::size_t entries;
};

Measured measure(std::size_t max_entries, Options options) {
  const std::size_t before = bytes_held;
  Table::Options made{.max_entries = max_entries};
  if (options != plain) made.ttl = 1h;
  if (options == with_everything) made.idle = 10min;
  Table table(made);
  for (std::uint64_t number = 0; number < 3 * max_entries; ++number) {
    const std::uint64_t key = dcache::bench::scatter(number);
    if (!table.get(key)) store(table, key, options);
  }
  const std::size_t entries = table.size();
  constexpr double payload = sizeof(std::uint64_t) + sizeof(std::uint64_t);
  return {static_cast<double>(bytes_held - before) / static_cast<double>(entries) - payload,
          entries};
}

int run(bool check) {
  constexpr std::size_t judged = 1'000'000;
  bool all = true;
  std::printf(
      "| bytes besides 16 of key and value | 100 entries | 10,000 | 700,000 | 1,000,000 "
      "| at most | |\n|---|--:|--:|--:|--:|--:|---|\n");
  for (unsigned kind = plain; kind < kinds; ++kind) {
    const auto options = static_cast<Options>(kind);
    std::printf("| %s |", names[kind]);
    for (const std::size_t entries :
         {std::size_t{100}, std::size_t{10'000}, std::size_t{700'000}}) {
      std::printf(" %.1f |", measure(entries, options).bytes);
    }
    const Measured full = measure(judged, options);
    const bool holds = full.bytes <= most[kind] && full.entries == judged;
    std::printf(" %.2f | %.0f | %s |\n", full.bytes, most[kind], holds ? "holds" : "**fails**");
    std::fflush(stdout);
    if (full.entries != judged) std::printf("\nNot full: %zu entries.\n", full.entries);
    all = all && holds;
  }
  return check && !all ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 && std::string(argv[1]) == "--check");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "memory_bytes: %s\n", error.what());
    return 2;
  }
}
