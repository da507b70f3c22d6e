// SPDX-License-Identifier: MIT
#include "dcache/plugin.h"

#include <array>
#include <chrono>
#include <memory>
#include <utility>

#include <dlfcn.h>

#include "dcache/engine/open.hpp"
#include "dcache/error.hpp"

namespace dcache::engine {
namespace {

// What a plugin calls an operation. It owns a reference, until it is completed.
Op& as_op(dcache_op* op) noexcept { return *reinterpret_cast<Op*>(op); }
const Op& as_op(const dcache_op* op) noexcept { return *reinterpret_cast<const Op*>(op); }

dcache_bytes as_bytes(const std::string& text) noexcept { return {text.data(), text.size()}; }

void answer(dcache_op* op, std::size_t at, dcache_reply reply, dcache_bytes value,
            std::uint64_t token) {
  if (at >= as_op(op).items.size()) return;
  Item& item = as_op(op).items[at];
  item.reply = static_cast<Reply>(reply);
  item.token = token != 0 ? token : item.token;
  if (reply != DCACHE_FOUND) return;
  try {
    item.value.assign(value.data, value.size);
  } catch (...) {
    item.reply = Reply::missing;  // There is no memory for it.
  }
}

const dcache_host& host() {
  static const dcache_host only = {
      DCACHE_PLUGIN_VERSION,
      [](const dcache_op* op) { return static_cast<dcache_verb>(as_op(op).verb()); },
      [](const dcache_op* op) { return as_op(op).items.size(); },
      [](const dcache_op* op, std::size_t at) {
        const Item& item = as_op(op).items[at];
        return dcache_question{as_bytes(item.key), as_bytes(item.value), item.expires,
                               item.token,         item.kills ? 1 : 0,   item.looks ? 1 : 0};
      },
      [](const dcache_op* op) { return as_op(op).abandoned() ? 1 : 0; },
      answer,
      [](dcache_op* op) {
        const auto owned = Ref<Op>::adopt(&as_op(op));
        owned->complete();
      },
      [](dcache_op* op, const char* why, int reachable) {
        const auto owned = Ref<Op>::adopt(&as_op(op));
        owned->fail(why == nullptr ? "it does not say why" : why, reachable != 0);
      },
  };
  return only;
}

class PluginBackend final : public Backend {
 public:
  PluginBackend(std::string name, const dcache_backend& store)
      : name_(std::move(name)), store_(store) {}
  ~PluginBackend() override { store_.destroy(store_.self); }

  std::string name() const override { return name_; }
  Capabilities capabilities() const noexcept override {
    const auto has = [this](dcache_capability one) { return (store_.capabilities & one) != 0; };
    return {has(DCACHE_SHARED), has(DCACHE_LOCAL), has(DCACHE_ADDS), has(DCACHE_LEASES)};
  }
  std::chrono::nanoseconds budget() const noexcept override {
    return std::chrono::milliseconds(store_.budget_ms);
  }
  void submit(const Ref<Op>& op) noexcept override {
    store_.submit(store_.self, reinterpret_cast<dcache_op*>(Ref<Op>(op).leak()));
  }
  void check() override {
    std::array<char, 512> why{};
    if (store_.check(store_.self, why.data(), why.size()) == 0) return;
    why.back() = '\0';
    throw TierError("dcache: " + name_ + " cannot be used: " + why.data());
  }
  void close() noexcept override { store_.close(store_.self); }

 private:
  const std::string name_;
  const dcache_backend store_;
};

std::shared_ptr<Backend> open_with(const dcache_plugin& plugin, const Url& url) {
  dcache_backend store{};
  std::array<char, 512> why{};
  const std::string& whole = url.whole();
  if (plugin.open(&host(), whole.c_str(), &store, why.data(), why.size()) != 0) {
    why.back() = '\0';
    throw ConfigError("dcache: " + url.text() + ": " + why.data());
  }
  if (store.submit == nullptr || store.check == nullptr || store.close == nullptr ||
      store.destroy == nullptr || store.budget_ms == 0) {
    throw ConfigError("dcache: the plugin of " + url.text() +
                      " left out a function, or its budget; expected all of dcache_backend");
  }
  return std::make_shared<PluginBackend>(url.text(), store);
}

}  // namespace

std::string load_plugin(const std::string& path) {
  // For good: its code may run for as long as the process does.
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr)
    throw ConfigError(std::string("dcache: cannot load plugin: ") + dlerror());
  const auto entry = reinterpret_cast<const dcache_plugin* (*)()>(dlsym(library, "dcache_plugin"));
  if (entry == nullptr) {
    throw ConfigError("dcache: " + path + " is no plugin; expected it to export dcache_plugin");
  }
  const dcache_plugin* const plugin = entry();
  if (plugin == nullptr || plugin->version != DCACHE_PLUGIN_VERSION) {
    throw ConfigError("dcache: " + path +
                      " was built for another version of dcache/plugin.h than " +
                      std::to_string(DCACHE_PLUGIN_VERSION));
  }
  register_scheme(plugin->scheme, [plugin](const Url& url) { return open_with(*plugin, url); });
  return plugin->scheme;
}

}  // namespace dcache::engine
