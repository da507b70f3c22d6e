// SPDX-License-Identifier: MIT
#include "backends/s3/part.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "dcache/engine/random.hpp"
#include "dcache/error.hpp"

#include "backends/s3/lifecycle.hpp"
#include "wire/s3_xml.hpp"

namespace dcache::s3 {

using engine::Item;
using engine::Reply;
using engine::SteadyMoment;
using engine::Verb;

namespace {

using namespace std::chrono_literals;

constexpr int attempts_max = 3;
constexpr int moves_max = 2;
constexpr auto first_pause = 50ms;
// A write that nobody waits for any more: until its end is known.
constexpr auto grace = 10s;
constexpr std::size_t batch_max = 1000;
constexpr std::string_view hash_of_nothing =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

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
  const std::size_t size = batches ? batch_max : 1;
  std::vector<engine::Ref<Part>> parts;
  for (std::size_t first = 0; first < items; first += size) {
    parts.push_back(
        engine::make_ref<Part>(engine::Ref<Journey>(this), first, std::min(size, items - first)));
  }
  if (parts.empty()) return finish();
  left_.store(parts.size());
  {
    const std::lock_guard lock(lock_);
    parts_ = parts;
  }
  for (const auto& part : parts) part->begin();
}

void Journey::given_up() noexcept {
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

bool Part::reads() const noexcept {
  return journey_->op().verb() == Verb::get || step_ == Step::read_back || step_ == Step::look;
}

void Part::begin() noexcept {
  try {
    const std::uint64_t most = store().options().max_bytes;
    if (item().value.size() > most) {
      return failed({.why = "a record of " + std::to_string(item().value.size()) +
                            " bytes; at most " + std::to_string(most) + " are stored (max_bytes)",
                     .reachable = true});
    }
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
    store().client.send(engine::Ref<Exchange>(this));
  } catch (const ConfigError& error) {
    failed({.why = error.what()}, true);
  } catch (const std::exception& error) {
    failed({.why = error.what(), .reachable = true});
  }
}

void Part::compose(const Settings& settings) {
  const engine::Op& op = journey_->op();
  const bool is_batch = count_ > 1;
  const bool adds = op.verb() == Verb::add && step_ == Step::main;
  if (adds && !store().conditional_writes.load(std::memory_order_relaxed)) step_ = Step::look;
  request.headers.clear();
  request.body = {};
  request.connect_timeout =
      std::chrono::ceil<std::chrono::milliseconds>(store().options().connect_timeout);
  request.ca_file = settings.ca_file;
  request.reply_max = static_cast<std::size_t>(store().options().max_bytes);
  request.deadline = bounded(op.deadline());
  conditional_ = tagged_ = false;
  if (is_batch) {
    write_batch(settings);
  } else if (reads()) {
    request.method = "GET";
  } else if (op.verb() == Verb::erase) {
    request.method = "DELETE";
  } else {
    write_one(adds && step_ == Step::main);
  }
  if (!reads()) request.deadline += grace;
  sign(settings, store().region(settings));
}

void Part::sign(const Settings& settings, const std::string& region) {
  const bool is_batch = count_ > 1;
  const Place place = place_of(settings, region, is_batch ? std::string_view() : item().key);
  const std::string_view query = is_batch ? "delete=" : "";
  request.url = place.base + place.path;
  if (!query.empty()) request.url.append("?").append(query);
  if (credentials_->anonymous) return;
  // Over TLS the bytes are safe on their way: hashing them would take longer than sending them.
  const std::string hash = place.https            ? std::string(unsigned_payload)
                           : request.body.empty() ? std::string(hash_of_nothing)
                                                  : sha256_hex(request.body);
  request.headers.push_back({"host", place.host});
  store().signer.sign({request.method, place.path, query, hash, region, store().unix_seconds()},
                      *credentials_, request.headers);
}

void Part::write_one(bool if_absent) {
  request.method = "PUT";
  request.body = item().value;
  conditional_ = if_absent;
  if (if_absent) request.headers.push_back({"If-None-Match", "*"});
  const unsigned days = days_until(item().expires, engine::wall_now());
  tagged_ = days != 0 && !without_tags_ && store().tags.load(std::memory_order_relaxed);
  if (!tagged_) return;
  request.headers.push_back({"x-amz-tagging", std::string(days_tag) + '=' + std::to_string(days)});
}

void Part::write_batch(const Settings& settings) {
  std::vector<std::string> keys;
  keys.reserve(count_);
  const std::vector<Item>& items = journey_->op().items;
  for (std::size_t i = 0; i < count_; ++i) keys.push_back(settings.prefix + items[first_ + i].key);
  batch_ = xml::delete_objects(keys);
  request.method = "POST";
  request.body = batch_;
  request.headers.push_back({"Content-MD5", base64(md5(batch_))});
}

void Part::ended() noexcept {
  try {
    act(judge(reply));
  } catch (const std::exception& error) {
    failed({.why = error.what(), .reachable = true});
  }
}

// Each of these ends the part or sends it once more, and is the last to touch it.
void Part::act(Verdict verdict) {
  switch (verdict.meaning) {
    case Meaning::done:
      return count_ > 1 ? take_batch() : take();
    case Meaning::missing:
      return not_there();
    case Meaning::exists:
      return conditional_ ? go_on(Step::read_back) : failed({.why = "412", .reachable = true});
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

void Part::take() {
  store().retries.worked(attempts_ != 0);
  if (!reads()) {
    // It was the tags that were in the way.
    if (without_tags_) store().tags.store(false, std::memory_order_relaxed);
    return step_ == Step::write ? go_on(Step::read_back) : answered(Reply::done);
  }
  if (!is_intact(reply)) {
    return again({Meaning::again, "the body is not what its ETag says", "", true});
  }
  // `add`, without conditional writes: what is there may be ours.
  const bool ours =
      step_ == Step::read_back && !store().conditional_writes && reply.body == item().value;
  item().value = std::move(reply.body);
  answered(ours ? Reply::done : Reply::found);
}

void Part::take_batch() {
  const auto errors = xml::parts(reply.body, "Error");
  for (const std::string_view error : errors) {
    const std::string code = xml::text_of(error, "Code").value_or("");
    if (code == "NoSuchKey") continue;
    return again(
        {Meaning::again, code + ": " + xml::text_of(error, "Message").value_or(""), "", true});
  }
  store().retries.worked(attempts_ != 0);
  answered(Reply::done);
}

void Part::not_there() {
  const Verb verb = journey_->op().verb();
  if (verb == Verb::get || verb == Verb::erase) {
    store().retries.worked(attempts_ != 0);
    return answered(Reply::missing);
  }
  if (step_ == Step::look) return go_on(Step::write);
  if (step_ == Step::read_back) {  // Erased since.
    return ++moves_ > moves_max ? failed({.why = "it comes and goes", .reachable = true})
                                : go_on(Step::main);
  }
  failed({.meaning = Meaning::denied, .why = "404", .reachable = false});
}

void Part::go_on(Step step) {
  step_ = step;
  send();
}

void Part::again(const Verdict& verdict) {
  const engine::Op& op = journey_->op();
  const double most = std::min<double>(1, 0.05 * (1 << attempts_));
  const auto pause = std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double>(most * engine::random_fraction()));
  const SteadyMoment next = steady_now() + pause;
  const bool may = ++attempts_ < attempts_max && !op.abandoned() &&
                   next + first_pause < op.deadline() && store().retries.take();
  if (!may) return failed(verdict);
  request.not_before = next;
  send();
}

void Part::once_more(bool& done, const Verdict& verdict) {
  if (std::exchange(done, true)) return failed(verdict);
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
    return go_on(Step::look);
  }
  failed(verdict);
}

void Part::answered(Reply reply_of_items) {
  std::vector<Item>& items = journey_->op().items;
  for (std::size_t i = 0; i < count_; ++i) items[first_ + i].reply = reply_of_items;
  journey_->part_ended();
}

void Part::failed(const Verdict& verdict, bool never) {
  item().reply = Reply::failed;
  journey_->part_failed(verdict, never);
}

}  // namespace dcache::s3
