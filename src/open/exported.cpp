// SPDX-License-Identifier: MIT
#include "open/exported.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dcache/error.hpp"

namespace dcache::engine {
namespace {

std::string text_of(dcache_bytes bytes) { return {bytes.data, bytes.size}; }

// The host puts its own words in front, and the name.
std::string reason(std::string text, const std::string& name) {
  for (const std::string& begun :
       {std::string("dcache: "), name + " cannot be used: ", name + ' '}) {
    if (text.starts_with(begun)) text.erase(0, begun.size());
  }
  const std::string of = " of " + name;
  const std::size_t at = text.find(of);
  return at == std::string::npos ? text : text.erase(at, of.size());
}

void tell(std::string_view text, char* why, std::size_t why_size) noexcept {
  const std::size_t size = std::min(text.size(), why_size - 1);
  std::memcpy(why, text.data(), size);
  why[size] = '\0';
}

struct Exported {
  std::shared_ptr<Backend> backend;
  const dcache_host* host;
};

Exported& as_exported(void* self) noexcept { return *static_cast<Exported*>(self); }

// An operation of the host's on its way: ours, and what is to be told when it has completed.
class Errand final : public Completion {
 public:
  Errand(const dcache_host& host, dcache_op* theirs) : host_(host), theirs_(theirs) {
    std::vector<Item> items(host.count(theirs));
    for (std::size_t at = 0; at < items.size(); ++at) {
      const dcache_question question = host.question(theirs, at);
      Item& item = items[at];
      item.key = text_of(question.key);
      item.value = text_of(question.value);
      item.expires = question.expires;
      item.token = question.token;
      item.kills = question.kills != 0;
      item.looks = question.looks != 0;
    }
    const std::int64_t left = host.time_left(theirs);
    const SteadyMoment deadline =
        left == no_end ? SteadyMoment::max()
                       : std::chrono::steady_clock::now() + std::chrono::microseconds(left);
    ours_ = make_ref<Op>(static_cast<Verb>(host.verb(theirs)), std::move(items), deadline);
  }

  // It takes itself apart when it has told.
  void run(Backend& backend) noexcept {
    const Ref<Op> ours = ours_;
    backend.submit(ours);
    if (!ours->listen(*this)) completed();
  }

  void completed() noexcept override {
    const std::unique_ptr<Errand> ended(this);
    const std::string& trouble = ours_->trouble();
    if (ours_->refused()) return host_.refuse(theirs_, trouble.c_str());
    if (!trouble.empty()) return host_.fail(theirs_, trouble.c_str(), ours_->reachable() ? 1 : 0);
    for (std::size_t at = 0; at < ours_->items.size(); ++at) {
      const Item& item = ours_->items[at];
      const auto reply =
          item.reply == Reply::failed ? DCACHE_MISSING : static_cast<dcache_reply>(item.reply);
      host_.answer(theirs_, at, reply, {item.value.data(), item.value.size()}, item.token);
    }
    host_.complete(theirs_);
  }

 private:
  const dcache_host& host_;
  dcache_op* const theirs_;
  Ref<Op> ours_;
};

void submit(void* self, dcache_op* op) {
  const Exported& exported = as_exported(self);
  std::unique_ptr<Errand> errand;
  try {
    errand = std::make_unique<Errand>(*exported.host, op);
  } catch (const std::exception&) {
    return exported.host->fail(op, "no memory", 1);
  }
  errand.release()->run(*exported.backend);
}

int check(void* self, char* why, std::size_t why_size) {
  Backend& backend = *as_exported(self).backend;
  try {
    backend.check();
    return 0;
  } catch (const ConfigError& error) {
    tell(reason(error.what(), backend.name()), why, why_size);
    return DCACHE_NEVER;
  } catch (const std::exception& error) {
    tell(reason(error.what(), backend.name()), why, why_size);
    return 1;
  }
}

std::uint32_t capabilities_of(const Backend& backend) noexcept {
  const Capabilities can = backend.capabilities();
  const auto if_so = [](bool so, dcache_capability one) {
    return so ? static_cast<std::uint32_t>(one) : 0U;
  };
  return if_so(can.shared, DCACHE_SHARED) | if_so(can.local, DCACHE_LOCAL) |
         if_so(can.adds, DCACHE_ADDS) | if_so(can.leases, DCACHE_LEASES);
}

std::uint32_t milliseconds_of(std::chrono::nanoseconds span) noexcept {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(span).count();
  return static_cast<std::uint32_t>(std::min<std::int64_t>(ms, UINT32_MAX));
}

}  // namespace

int open_exported(const Opener& open, const dcache_host* host, const char* url,
                  dcache_backend* backend, char* why, std::size_t why_size) noexcept {
  std::string name;
  try {
    const Url parsed = Url::parse(url);
    name = parsed.text();
    auto exported = std::make_unique<Exported>(Exported{open(parsed), host});
    const Backend& opened = *exported->backend;
    *backend = {.self = nullptr,
                .capabilities = capabilities_of(opened),
                .budget_ms = milliseconds_of(opened.budget()),
                .submit = submit,
                .check = check,
                .close = [](void* self) { as_exported(self).backend->close(); },
                .destroy = [](void* self) { delete &as_exported(self); },
                .near_ttl_ms = milliseconds_of(opened.near_ttl()),
                .mark_ttl_ms = milliseconds_of(opened.mark_ttl())};
    backend->self = exported.release();
    return 0;
  } catch (const std::exception& error) {
    tell(reason(error.what(), name), why, why_size);
    return 1;
  }
}

}  // namespace dcache::engine
