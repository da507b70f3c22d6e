// SPDX-License-Identifier: MIT
#include "backends/s3/store.hpp"

#include <ctime>
#include <mutex>
#include <utility>

#include <curl/curl.h>

#include "dcache/error.hpp"

#include "backends/s3/lifecycle.hpp"
#include "backends/s3/part.hpp"
#include "backends/s3/sources.hpp"

namespace dcache::s3 {

using engine::Op;
using engine::Ref;
using engine::Verb;

namespace {

void check_options(const S3Options& options) {
  const auto refuse = [](const std::string& what) {
    throw ConfigError("dcache: an S3 backend: " + what);
  };
  if (!options.bucket.empty()) check_bucket(options.bucket);
  if (!options.region.empty()) check_region(options.region);
  check_prefix(options.prefix);
  checked_endpoint(options.endpoint);
  if (options.access_key.empty() != options.secret_key.empty()) {
    refuse("access_key and secret_key belong together; expected both or none");
  }
  if (!options.session_token.empty() && options.access_key.empty()) {
    refuse("a session_token without the access_key and secret_key that it is for");
  }
  if (options.anonymous && !options.access_key.empty()) {
    refuse("anonymous=True and an access_key; expected one of them");
  }
  if (options.timeout.count() <= 0) refuse("timeout is not above zero");
  if (options.connect_timeout.count() <= 0) refuse("connect_timeout is not above zero");
  if (options.lease.count() != 0 && options.lease < std::chrono::seconds(1)) {
    refuse("lease is less than a second; expected that at least, or 0 for none");
  }
  if (options.max_bytes == 0) refuse("max_bytes is 0; expected at least 1");
}

}  // namespace

Store::Store(S3Options options) : tags(options.expiry_tags), options_(std::move(options)) {
  check_options(options_);
  keyring = std::make_shared<Keyring>(
      [given = options_] { return find_credentials(given, resolve(given).region); });
}

std::string Store::name() const {
  const std::string bucket =
      options_.bucket.empty() ? variable("DCACHE_S3_BUCKET") : options_.bucket;
  const std::string given =
      options_.prefix.empty() ? variable("DCACHE_S3_PREFIX") : options_.prefix;
  const std::string prefix(bare_prefix(given));
  return "s3://" + bucket + (prefix.empty() ? "" : '/' + prefix);
}

std::shared_ptr<const Settings> Store::settings() {
  {
    const std::lock_guard lock(lock_);
    if (settings_) return settings_;
  }
  auto found = std::make_shared<const Settings>(resolve(options_));
  const std::lock_guard lock(lock_);
  if (!settings_) settings_ = std::move(found);
  return settings_;
}

std::string Store::region(const Settings& settings) {
  const std::lock_guard lock(lock_);
  return region_.empty() ? settings.region : region_;
}

void Store::learn_region(std::string region) {
  const std::lock_guard lock(lock_);
  region_ = std::move(region);
}

std::int64_t Store::unix_seconds() const noexcept {
  return std::time(nullptr) + skew_.load(std::memory_order_relaxed);
}

bool Store::learn_time(std::string_view date) noexcept {
  const std::time_t theirs = curl_getdate(std::string(date).c_str(), nullptr);
  if (theirs < 0) return false;
  skew_.store(theirs - std::time(nullptr), std::memory_order_relaxed);
  return true;
}

void Store::submit(const Ref<Op>& op) noexcept { begin(op, false); }

void Store::begin(const Ref<Op>& op, bool strict) noexcept {
  if (closed_.load(std::memory_order_acquire)) return op->fail(name() + " is closed");
  if (!knows(op->verb())) return op->fail(name() + " has no leases", true);
  try {
    settings();
    const auto journey = engine::make_ref<Journey>(shared_from_this(), op, strict);
    op->carried_by(*journey, Ref<engine::Counted>(journey));
    journey->begin();
  } catch (const ConfigError& error) {
    op->refuse(error.what());
  } catch (const std::exception& error) {
    op->fail(error.what(), true);
  }
}

bool Store::knows(Verb verb) const noexcept {
  switch (verb) {
    case Verb::get:
    case Verb::put:
    case Verb::erase:
    case Verb::add:
      return true;
    case Verb::watch:
    case Verb::lease:
    case Verb::fill:
    case Verb::release:
      return options_.lease.count() > 0;
    case Verb::await:
      return false;
  }
  return false;
}

void Store::check() {
  const auto deadline =
      std::chrono::steady_clock::now() + options_.connect_timeout + options_.timeout;
  const Ref<Op> op = engine::make_op(Verb::get, "dcache-check", deadline);
  begin(op, true);
  if (!op->wait()) throw TierError("dcache: " + name() + " cannot be used: no answer in time");
  if (op->trouble().empty()) return;
  std::string_view why = op->trouble();
  if (why.starts_with(name() + ": ")) why.remove_prefix(name().size() + 2);
  const std::string text = why.starts_with("dcache: ")
                               ? std::string(why)
                               : "dcache: " + name() + " cannot be used: " + std::string(why);
  if (op->refused()) throw ConfigError(text);
  throw TierError(text);
}

void Store::close() noexcept {
  closed_.store(true, std::memory_order_release);
  client.close();
}

std::string Store::lifecycle_rules() const { return s3::lifecycle_rules(resolve(options_).prefix); }

}  // namespace dcache::s3
