// SPDX-License-Identifier: MIT
#include "backends/s3/part.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "dcache/engine/random.hpp"
#include "dcache/error.hpp"

#include "backends/s3/lifecycle.hpp"
#include "backends/s3/questions.hpp"

namespace dcache::s3 {

using engine::Item;
using engine::Reply;
using engine::SteadyMoment;
using engine::Verb;

namespace {

using namespace std::chrono_literals;

constexpr int attempts_max = 3;
constexpr int moves_max = 2;
constexpr int ways_max = 2;
constexpr auto first_pause = 50ms;
// A write that nobody waits for any more: until its end is known.
constexpr auto grace = 10s;
constexpr std::string_view hash_of_nothing =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// What this thread is beginning, if somebody is going to carry it.
thread_local const Journey* begun_here = nullptr;

SteadyMoment steady_now() noexcept { return std::chrono::steady_clock::now(); }

// Longer than anybody waits, and not so long that sums overflow.
SteadyMoment bounded(SteadyMoment deadline) noexcept {
  return std::min(deadline, steady_now() + 1h);
}

}  // namespace

// --- The whole ---

void Journey::begin() {
  const std::size_t items = op_->items.size();
  // Without MD5 a batch cannot be asked for.
  const bool batches = verb_ == Verb::erase && items > 1 && !md5("").empty();
  const std::size_t size = batches ? Batch::size_max : 1;
  std::vector<engine::Ref<Part>> parts;
  for (std::size_t first = 0; first < items; first += size) {
    parts.push_back(make_part(engine::Ref<Journey>(this), first, std::min(size, items - first)));
  }
  if (parts.empty()) return finish();
  left_.store(parts.size());
  {
    const std::lock_guard lock(lock_);
    parts_ = parts;
  }
  const bool attended = op_->attended();
  const Journey* const before = std::exchange(begun_here, attended ? this : nullptr);
  for (const auto& part : parts) part->begin();
  begun_here = before;
}

bool Journey::is_begun_here() const noexcept { return begun_here == this; }

void Journey::carry(SteadyMoment until) noexcept {
  const engine::Ref<Journey> alive(this);
  store_->client.drive(until, [this] { return left_.load(std::memory_order_acquire) == 0; });
}

void Journey::given_up() noexcept {
  store_->client.hand_over();
  if (verb_ != Verb::get) return;
  std::vector<engine::Ref<Part>> parts;
  {
    const std::lock_guard lock(lock_);
    parts.swap(parts_);
  }
  for (const auto& part : parts) store_->client.give_up(part);
}

void Journey::part_failed(const Verdict& why, bool never) noexcept {
  {
    const std::lock_guard lock(lock_);
    if (failures_++ == 0) first_failure_ = why;
    never_ = never_ || never || (strict_ && why.meaning == Meaning::denied);
  }
  part_ended();
}

void Journey::part_ended() noexcept {
  if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) finish();
}

void Journey::finish() noexcept {
  const engine::Ref<engine::Op> op = std::move(op_);
  std::vector<engine::Ref<Part>> parts;  // They hold this.
  Verdict why;
  std::size_t failures = 0;
  bool never = false;
  {
    const std::lock_guard lock(lock_);
    parts.swap(parts_);
    why = std::move(first_failure_);
    failures = failures_;
    never = never_;
  }
  // Of a look-up the rest is as good as before; a write is done, or it is not.
  if (failures == 0 || (verb_ == Verb::get && failures < op->items.size() && !never)) {
    return op->complete();
  }
  std::string text =
      never && why.why.starts_with("dcache: ") ? why.why : store_->name() + ": " + why.why;
  never ? op->refuse(std::move(text)) : op->fail(std::move(text), why.reachable);
}

// --- One request ---

void Part::begin() noexcept {
  try {
    const std::uint64_t most = store().options().max_bytes;
    if (item().value.size() > most) {
      return failed({.why = "a record of " + std::to_string(item().value.size()) +
                            " bytes; at most " + std::to_string(most) + " are stored (max_bytes)",
                     .reachable = true});
    }
    if (known()) return;
    store().keyring->ask([self = engine::Ref<Part>(this)](const Keyring::Answer& answer) {
      if (!answer.credentials) return self->failed({.why = answer.trouble}, answer.never);
      self->credentials_ = answer.credentials;
      self->send();
    });
  } catch (const std::exception& error) {
    failed({.why = error.what(), .reachable = true});
  }
}

void Part::send() noexcept {
  try {
    const std::shared_ptr<const Settings> settings = store().settings();
    compose(*settings);
    store().client.send(engine::Ref<Exchange>(this), journey_->is_begun_here());
  } catch (const ConfigError& error) {
    failed({.why = error.what()}, true);
  } catch (const std::exception& error) {
    failed({.why = error.what(), .reachable = true});
  }
}

void Part::compose(const Settings& settings) {
  request.headers.clear();
  request.body = {};
  request.connect_timeout =
      std::chrono::ceil<std::chrono::milliseconds>(store().options().connect_timeout);
  request.ca_file = settings.ca_file;
  request.reply_max = static_cast<std::size_t>(store().options().max_bytes);
  request.deadline = bounded(op().deadline());
  query_ = {};
  conditional_ = tagged_ = false;
  ask(settings);
  if (request.method != "GET") request.deadline += grace;
  sign(settings, store().region(settings));
}

void Part::get(std::string_view range) {
  request.method = "GET";
  if (!range.empty()) request.headers.push_back({"Range", std::string(range)});
}

void Part::erase() { request.method = "DELETE"; }

void Part::put(std::string_view body, const sigv4::Field& condition, engine::WallTime expires) {
  request.method = "PUT";
  request.body = body;
  conditional_ = !condition.name.empty();
  if (conditional_) request.headers.push_back(condition);
  const unsigned days = days_until(expires, engine::wall_now());
  tagged_ = days != 0 && !without_tags_ && store().tags.load(std::memory_order_relaxed);
  if (!tagged_) return;
  request.headers.push_back({"x-amz-tagging", std::string(days_tag) + '=' + std::to_string(days)});
}

void Part::post(std::string_view query, std::string_view body) {
  request.method = "POST";
  request.body = body;
  query_ = query;
  request.headers.push_back({"Content-MD5", base64(md5(body))});
}

void Part::sign(const Settings& settings, const std::string& region) {
  const Place place = place_of(settings, region, query_.empty() ? item().key : std::string_view());
  request.url = place.base + place.path;
  if (!query_.empty()) request.url.append("?").append(query_);
  if (credentials_->anonymous) return;
  // Over TLS the bytes are safe on their way: hashing them would take longer than sending them.
  const std::string hash = place.https ? std::string(unsigned_payload) : hash_of_body();
  request.headers.push_back({"host", place.host});
  store().signer.sign({request.method, place.path, query_, hash, region, store().unix_seconds()},
                      *credentials_, request.headers);
}

std::string Part::hash_of_body() {
  if (request.body.empty()) return std::string(hash_of_nothing);
  if (request.body.data() != item().value.data()) return sha256_hex(request.body);
  if (value_hash_.empty()) value_hash_ = sha256_hex(request.body);
  return value_hash_;
}

void Part::ended() noexcept {
  try {
    act(judge(reply));
  } catch (const std::exception& error) {
    failed({.why = error.what(), .reachable = true});
  }
}

void Part::act(Verdict verdict) {
  const bool answers = verdict.meaning == Meaning::done || verdict.meaning == Meaning::missing;
  if (journey_->strict() && answers && !verdict.in_s3s_words) {
    verdict.why =
        std::to_string(reply.status) + ", as any web server says it; is the endpoint right?";
    verdict.meaning = Meaning::denied;
  }
  switch (verdict.meaning) {
    case Meaning::done:
      // It was the tags that were in the way.
      if (without_tags_) store().tags.store(false, std::memory_order_relaxed);
      store().retries.worked(attempts_ != 0);
      return done();
    case Meaning::missing:
      store().retries.worked(attempts_ != 0);
      return missing();
    case Meaning::exists:
      store().retries.worked(attempts_ != 0);
      return exists();
    case Meaning::again:
      return again(verdict);
    case Meaning::elsewhere:
      if (++moves_ > moves_max) return failed(verdict);
      store().learn_region(std::move(verdict.region));
      return send();
    case Meaning::skewed:
      if (!store().learn_time(reply.header("date"))) return failed(verdict);
      return once_more(set_right_, verdict);
    case Meaning::expired:
      store().keyring->discard(credentials_);
      if (std::exchange(renewed_, true)) return failed(verdict);
      return begin();
    case Meaning::unsupported:
    case Meaning::denied:
      return not_known(verdict);
    case Meaning::failed:
      return failed(verdict);
  }
}

void Part::again(const Verdict& verdict) {
  const double most = std::min<double>(1, 0.05 * (1 << attempts_));
  const auto pause = std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double>(most * engine::random_fraction()));
  const SteadyMoment next = steady_now() + pause;
  const bool may = ++attempts_ < attempts_max && !op().abandoned() &&
                   next + first_pause < op().deadline() && store().retries.take();
  if (!may) return failed(verdict);
  request.not_before = next;
  send();
}

void Part::another_way(const Verdict& verdict) {
  if (++ways_ > ways_max) return failed(verdict);
  send();
}

void Part::once_more(bool& before, const Verdict& verdict) {
  if (std::exchange(before, true)) return failed(verdict);
  send();
}

// A server that does not know one of the two things that are asked beyond plain S3 says 501, and
// one that does not allow tags 403. The first that is left out and helps is not asked for again.
void Part::not_known(const Verdict& verdict) {
  if (tagged_) {
    without_tags_ = true;
    return send();
  }
  if (verdict.meaning == Meaning::unsupported && conditional_) {
    store().conditional_writes.store(false, std::memory_order_relaxed);
    return unconditional();
  }
  failed(verdict);
}

void Part::answered(Reply reply_of_items) {
  std::vector<Item>& items = op().items;
  for (std::size_t i = 0; i < count_; ++i) items[first_ + i].reply = reply_of_items;
  journey_->part_ended();
}

void Part::failed(const Verdict& verdict, bool never) {
  item().reply = Reply::failed;
  journey_->part_failed(verdict, never);
}

}  // namespace dcache::s3
