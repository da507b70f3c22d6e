// SPDX-License-Identifier: MIT
#include "trace.hpp"

#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <unordered_map>

#include <zlib.h>

namespace dcache::bench {

namespace {

std::uint64_t id_of(std::string_view line) {
  if (const auto comma = line.find(','); comma != line.npos) line.remove_prefix(comma + 1);
  std::uint64_t id = 0;
  std::from_chars(line.data(), line.data() + line.size(), id);
  return id;
}

}  // namespace

Trace read_trace(const std::string& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) throw std::runtime_error("cannot open " + path);
  gzbuffer(file.get(), 1U << 17U);

  Trace trace;
  trace.name = std::filesystem::path(path).filename().string();
  trace.name.erase(trace.name.find('.'));
  std::unordered_map<std::uint64_t, Id> ids;
  std::array<char, 256> line{};
  while (gzgets(file.get(), line.data(), static_cast<int>(line.size())) != nullptr) {
    if (line[0] < '0' || line[0] > '9') continue;
    const std::uint64_t id = id_of({line.data(), std::strlen(line.data())});
    trace.requests.push_back(ids.try_emplace(id, static_cast<Id>(ids.size())).first->second);
  }
  trace.unique = static_cast<Id>(ids.size());
  if (trace.unique == 0) throw std::runtime_error("no requests in " + path);
  return trace;
}

}  // namespace dcache::bench
