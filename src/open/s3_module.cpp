// SPDX-License-Identifier: MIT
// What `dcache_s3.so` exports.
#include "dcache/plugin.h"

#include "backends/s3/open.hpp"
#include "open/exported.hpp"

namespace dcache::engine {

// In C++ the structure has the name already.
[[gnu::visibility("default")]] const dcache_plugin* exported_plugin() asm("dcache_plugin");

const dcache_plugin* exported_plugin() {
  static const dcache_plugin plugin = {
      DCACHE_PLUGIN_VERSION, "s3",
      [](const dcache_host* host, const char* url, dcache_backend* backend, char* why,
         std::size_t why_size) {
        return open_exported(s3::open_url, host, url, backend, why, why_size);
      }};
  return &plugin;
}

}  // namespace dcache::engine
