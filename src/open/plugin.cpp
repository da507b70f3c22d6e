// SPDX-License-Identifier: MIT
#include "dcache/plugin.h"

#include <array>
#include <chrono>
#include <memory>
#include <utility>

#include <dlfcn.h>
#include <unistd.h>

#include "dcache/engine/open.hpp"
#include "dcache/error.hpp"

#include "open/plugin.hpp"

namespace dcache::engine {
namespace {

// What a plugin calls an operation. It owns a reference, until it is completed.
Op& as_op(dcache_op* op) noexcept { return *reinterpret_cast<Op*>(op); }
const Op& as_op(const dcache_op* op) noexcept { return *reinterpret_cast<const Op*>(op); }

const char* text_of(const char* why) noexcept {
  return why == nullptr ? "it does not say why" : why;
}

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
        owned->fail(text_of(why), reachable != 0);
      },
      [](dcache_op* op, const char* why) {
        const auto owned = Ref<Op>::adopt(&as_op(op));
        owned->refuse(text_of(why));
      },
      [](const dcache_op* op) -> std::int64_t {
        const SteadyMoment deadline = as_op(op).deadline();
        if (deadline == SteadyMoment::max()) return no_end;
        return microseconds(deadline - std::chrono::steady_clock::now());
      },
  };
  return only;
}

constexpr std::size_t why_max = 1024;

class PluginBackend final : public Backend {
 public:
  PluginBackend(std::string name, std::uint32_t version, const dcache_backend& store)
      : name_(std::move(name)), version_(version), store_(store) {}
  ~PluginBackend() override { store_.destroy(store_.self); }

  std::string name() const override { return name_; }
  Capabilities capabilities() const noexcept override {
    const auto has = [this](dcache_capability one) { return (store_.capabilities & one) != 0; };
    return {has(DCACHE_SHARED), has(DCACHE_LOCAL), has(DCACHE_ADDS), has(DCACHE_LEASES)};
  }
  std::chrono::nanoseconds budget() const noexcept override {
    return std::chrono::milliseconds(store_.budget_ms);
  }
  // An older one left both as they were: 0.
  std::chrono::nanoseconds near_ttl() const noexcept override {
    return given(store_.near_ttl_ms, Backend::near_ttl());
  }
  std::chrono::nanoseconds mark_ttl() const noexcept override {
    return given(store_.mark_ttl_ms, Backend::mark_ttl());
  }
  void submit(const Ref<Op>& op) noexcept override {
    store_.submit(store_.self, reinterpret_cast<dcache_op*>(Ref<Op>(op).leak()));
  }
  void check() override {
    std::array<char, why_max> why{};
    const int found = store_.check(store_.self, why.data(), why.size());
    if (found == 0) return;
    why.back() = '\0';
    const std::string text = "dcache: " + name_ + " cannot be used: " + why.data();
    if (version_ >= 2 && found == DCACHE_NEVER) throw ConfigError(text);
    throw TierError(text);
  }
  void close() noexcept override { store_.close(store_.self); }

 private:
  static std::chrono::nanoseconds given(std::uint32_t ms, std::chrono::nanoseconds otherwise) {
    return ms == 0 ? otherwise : std::chrono::milliseconds(ms);
  }

  const std::string name_;
  const std::uint32_t version_;  // That it was built with.
  const dcache_backend store_;
};

std::shared_ptr<Backend> open_with(const dcache_plugin& plugin, const Url& url) {
  dcache_backend store{};
  std::array<char, why_max> why{};
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
  return std::make_shared<PluginBackend>(url.text(), plugin.version, store);
}

const dcache_plugin& load(const std::string& path) {
  // For good: its code may run for as long as the process does.
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr)
    throw ConfigError(std::string("dcache: cannot load plugin: ") + dlerror());
  const auto entry = reinterpret_cast<const dcache_plugin* (*)()>(dlsym(library, "dcache_plugin"));
  if (entry == nullptr) {
    throw ConfigError("dcache: " + path + " is no plugin; expected it to export dcache_plugin");
  }
  const dcache_plugin* const plugin = entry();
  if (plugin == nullptr || plugin->version == 0 || plugin->version > DCACHE_PLUGIN_VERSION) {
    throw ConfigError("dcache: " + path +
                      " was built for a newer version of dcache/plugin.h than " +
                      std::to_string(DCACHE_PLUGIN_VERSION));
  }
  return *plugin;
}

// Where the code of this library is: the folder of the program, or of what has it within.
std::string own_folder() {
  Dl_info info{};
  const auto address = reinterpret_cast<const void*>(&own_folder);
  if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) return "";
  const std::string file = info.dli_fname;
  return file.substr(0, file.rfind('/') + 1);
}

}  // namespace

std::string load_plugin(const std::string& path) {
  const dcache_plugin& plugin = load(path);
  register_scheme(plugin.scheme, [&plugin](const Url& url) { return open_with(plugin, url); });
  return plugin.scheme;
}

Opener module_opener(const std::string& name, std::shared_ptr<Backend> (*linked)(Url url)) {
  if (linked != nullptr) return linked;
  return [file = "dcache_" + name + ".so", name](const Url& url) {
    std::string path = own_folder() + file;
    if (::access(path.c_str(), R_OK) != 0) path = file;  // Where the loader looks.
    try {
      return open_with(load(path), url);
    } catch (const ConfigError& error) {
      if (::access(path.c_str(), R_OK) == 0) throw;
      throw ConfigError("dcache: " + name + ": is opened by a module of its own, " + file +
                        ", which is not here: it is built where its library is (a C++ program "
                        "links dcache::" +
                        name + " instead). " + error.what());
    }
  };
}

}  // namespace dcache::engine
