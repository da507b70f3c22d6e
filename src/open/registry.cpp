// SPDX-License-Identifier: MIT
#include <mutex>
#include <utility>

#include "dcache/engine/open.hpp"
#include "dcache/error.hpp"

#include "open/built_in.hpp"

namespace dcache::engine {
namespace {

struct Registry {
  std::mutex mutex;
  std::map<std::string, Opener> openers = built_in();  // Guarded by mutex.
};

Registry& registry() {
  static auto* const only = new Registry;  // Threads may open while the process ends.
  return *only;
}

}  // namespace

void register_scheme(const std::string& scheme, const Opener& open) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  if (!all.openers.try_emplace(scheme, open).second) {
    throw ConfigError("dcache: the scheme " + scheme + ": is taken already");
  }
}

std::vector<std::string> known_schemes() {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  std::vector<std::string> schemes;
  schemes.reserve(all.openers.size());
  for (const auto& [scheme, opener] : all.openers) schemes.push_back(scheme);
  return schemes;
}

std::shared_ptr<Backend> open_backend(std::string_view url) {
  Url parsed = Url::parse(url);
  Opener open;
  {
    Registry& all = registry();
    const std::lock_guard lock(all.mutex);
    const auto found = all.openers.find(parsed.scheme);
    if (found != all.openers.end()) open = found->second;
  }
  if (open) return open(std::move(parsed));
  std::string known = "memory";
  for (const std::string& scheme : known_schemes()) known += ", " + scheme;
  throw ConfigError("dcache: nothing opens " + parsed.scheme + ": (known: " + known +
                    "); install the package that brings it, which has an entry point of the group "
                    "dcache.backends, or load its plugin");
}

}  // namespace dcache::engine
