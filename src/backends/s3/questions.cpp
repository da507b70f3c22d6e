// SPDX-License-Identifier: MIT
#include "backends/s3/questions.hpp"

#include <utility>
#include <vector>

#include "backends/s3/lease.hpp"
#include "backends/s3/placeholder.hpp"
#include "wire/s3_xml.hpp"

namespace dcache::s3 {

using engine::Item;
using engine::Reply;
using engine::Verb;

namespace {

const sigv4::Field no_condition;
const sigv4::Field if_absent{"If-None-Match", "*"};

}  // namespace

bool Single::reads() const noexcept {
  return op().verb() == Verb::get || step_ == Step::read_back || step_ == Step::look;
}

void Single::ask(const Settings&) {
  const bool adds = op().verb() == Verb::add && step_ == Step::main;
  const bool looks = adds && !store().conditional_writes.load(std::memory_order_relaxed);
  if (looks) step_ = Step::look;
  if (reads()) return get();
  if (op().verb() == Verb::erase) return erase();
  put(item().value, adds ? if_absent : no_condition, item().expires);
}

void Single::done() {
  if (reads()) return take();
  if (step_ == Step::write) return go_on(Step::read_back);
  answered(Reply::done);
}

void Single::take() {
  if (!is_intact(reply)) {
    return again({Meaning::again, "the body is not what its ETag says", "", true});
  }
  if (Placeholder::is_one(reply.body)) return missing();
  // `add`, without conditional writes: what is there may be ours.
  const bool ours =
      step_ == Step::read_back && !store().conditional_writes && reply.body == item().value;
  item().value = std::move(reply.body);
  answered(ours ? Reply::done : Reply::found);
}

void Single::missing() {
  const Verb verb = op().verb();
  if (verb == Verb::get || verb == Verb::erase) return answered(Reply::missing);
  if (step_ == Step::look) return go_on(Step::write);
  if (step_ != Step::read_back) return failed({.meaning = Meaning::denied, .why = "404"});
  step_ = Step::main;  // Erased since.
  another_way({.why = "the object comes and goes", .reachable = true});
}

void Single::exists() {
  if (op().verb() == Verb::add && step_ == Step::main) return go_on(Step::read_back);
  failed({.why = "412 without a condition", .reachable = true});
}

void Single::unconditional() { go_on(Step::look); }

void Single::go_on(Step step) {
  step_ = step;
  send();
}

void Batch::ask(const Settings& settings) {
  std::vector<std::string> keys;
  keys.reserve(count());
  const std::vector<Item>& items = op().items;
  for (std::size_t i = 0; i < count(); ++i)
    keys.push_back(settings.prefix + items[first() + i].key);
  body_ = xml::delete_objects(keys);
  post("delete=", body_);
}

void Batch::done() {
  for (const std::string_view error : xml::parts(reply.body, "Error")) {
    const std::string code = xml::text_of(error, "Code").value_or("");
    if (code == "NoSuchKey") continue;
    const std::string message = xml::text_of(error, "Message").value_or("");
    return again({Meaning::again, std::string(code).append(": ").append(message), "", true});
  }
  answered(Reply::done);
}

void Batch::missing() { failed({.meaning = Meaning::denied, .why = "404"}); }
void Batch::exists() { failed({.why = "412 without a condition", .reachable = true}); }
void Batch::unconditional() { exists(); }

engine::Ref<Part> make_part(engine::Ref<Journey> journey, std::size_t first, std::size_t count) {
  switch (journey->op().verb()) {
    case Verb::watch:
    case Verb::lease:
    case Verb::fill:
    case Verb::release:
      return engine::make_ref<Lease>(std::move(journey), first, count);
    default:
      break;
  }
  if (count > 1) return engine::make_ref<Batch>(std::move(journey), first, count);
  return engine::make_ref<Single>(std::move(journey), first, count);
}

}  // namespace dcache::s3
