// SPDX-License-Identifier: MIT
// All hand-offs of a lane, in an order that a seed chooses: callers that block and that do not,
// event loops, an I/O thread, writers, a server, full sockets, lost connections, deadlines. One
// step is what the real connection does under its lock, or between two such passages. Whatever the
// order:
// - every request completes once, or is late once where it was abandoned,
// - one drives and one writes at a time,
// - replies go to their requests, in order,
// - nobody sleeps for ever,
// - bounds hold, and nobody drives when nothing is left.
#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "net/fibers.hpp"
#include "net/lane.hpp"

namespace dcache::net {
namespace {

using engine::Ref;
using test::Fibers;
using Steps = Fibers::Steps;
using namespace std::chrono_literals;

class Probe final : public Request {
 public:
  Probe(std::uint32_t number, std::size_t filler, std::size_t first_cut, std::size_t second_cut,
        Moment deadline, const Moment& now)
      : Request(deadline), id(number), now_(now) {
    const auto size = static_cast<std::uint32_t>(8 + filler);
    bytes_.assign(size, '.');
    std::memcpy(bytes_.data(), &size, 4);
    std::memcpy(bytes_.data() + 4, &id, 4);
    first_cut %= size;
    second_cut = first_cut + second_cut % (size - first_cut);
    head = bytes_.substr(0, first_cut);
    body = std::string_view(bytes_).substr(first_cut, second_cut - first_cut);
    tail = bytes_.substr(second_cut);
  }

  const std::uint32_t id;
  bool told = false;  // Nobody ever waits for it.
  bool told_to_lead = false;
  int done_calls = 0;
  int late_calls = 0;
  bool given_up = false;  // By abandoning it.
  Moment ended = Moment::max();

 private:
  void done() noexcept override {
    ++done_calls;
    ended = now_;
  }
  void late() noexcept override { ++late_calls; }

  const Moment& now_;
  std::string bytes_;
};

Probe& probe(Request& request) { return static_cast<Probe&>(request); }

// One connection, seen from the middle.
struct Wire {
  std::string sent;   // To the server, not read yet.
  std::string heard;  // By the server.
  std::deque<std::uint32_t> replies;
  bool dead = false;
  bool silent = false;  // For ever.
};

struct Chances {
  double kill = 0;       // A step of the server ends the connection.
  double freeze = 0;     // Or it stops answering for a while.
  double fail = 0;       // An attempt to connect fails.
  double give_up = 0;    // A wait ends before its reply.
  double no_thread = 0;  // No I/O thread can be had.
  double repeat = 0.3;   // A request may be sent once more.
  std::chrono::milliseconds deadline = 50s;
};

class World {
 public:
  World(std::uint64_t seed, const Chances& chances)
      : fibers_(seed), chances_(chances), handoff_(1 + fibers_.below(4)), lane_(limits()) {
    const std::size_t loops = fibers_.below(3);
    for (std::size_t i = 0; i < loops; ++i) fibers_.start(event_loop(5 + fibers_.below(40)));
    const std::size_t callers = loops == 1 && fibers_.chance(0.5) ? 0 : 1 + fibers_.below(6);
    for (std::size_t i = 0; i < callers; ++i) fibers_.start(caller(5 + fibers_.below(20)));
    callers_ = callers + loops;
    if (fibers_.chance(0.3)) blocking_ = 1;
    if (fibers_.chance(0.3)) {
      fibers_.start(listener(5));
      ++callers_;
    }
    fibers_.start(io_thread());
    fibers_.start(server());
  }

  void run() {
    int idle = 0;
    // 200 ms of rest for the I/O thread to go, and to find out that nobody is stuck.
    while (idle < 5000 &&
           !(callers_ == 0 && lane_.size() == 0 && lane_.role() == Lane::Role::none)) {
      if (fibers_.step()) {
        ++steps;
        idle = 0;
        check(lane_.size() <= limits().requests_max, "too many requests");
        check(lane_.bytes() <= limits().bytes_max, "too many bytes");
      } else {
        now_ += 1ms;
        ++idle;
      }
    }
    check(callers_ == 0, "a caller is stuck");
    check(lane_.size() == 0, "a request is stuck");
    check(lane_.role() == Lane::Role::none, "somebody still drives");
    check(!lane_.writing(), "somebody still writes");
    for (const auto& each : all_) {
      const bool good = each->given_up ? each->done_calls == 0 && each->late_calls == 1
                                       : each->done_calls == 1 && each->late_calls <= 1;
      check(good, "a request did not complete once");
      const bool timed_out = each->completed() && each->trouble().fault == Fault::timeout;
      check(each->given_up || (each->late_calls == 1) == timed_out, "late without a reason");
      // A leader looks up every 10 ms, and nothing that is to be done takes time here.
      const bool in_time = each->ended <= each->deadline() + 11ms;
      check(in_time || !each->told, "somebody was told too late");
      if (each->completed() && each->trouble().fault == Fault::none) ++answered;
    }
    asked = all_.size();
  }

  std::uint64_t steps = 0;
  std::size_t asked = 0;
  std::size_t answered = 0;
  std::vector<std::string> faults;
  std::uint64_t takeovers() const { return lane_.takeovers(); }
  std::uint64_t give_backs() const { return lane_.give_backs(); }
  std::uint64_t promotions = 0;
  std::uint64_t loop_turns = 0;

 private:
  static constexpr std::size_t room = 32;  // Of the socket; some requests are larger.

  LaneLimits limits() const {
    return {.requests_max = 5,
            .bytes_max = 150,
            .handoff = handoff_,
            .patience = 20ms,
            .loop_alone_for = 0ms};
  }
  void check(bool good, const char* what) {
    if (!good && faults.size() < 5) faults.emplace_back(what);
  }

  // --- Who asks ---

  Ref<Probe> make_request() {
    const std::size_t filler = fibers_.chance(0.2) ? 40 : fibers_.below(10);
    const std::size_t first_cut = fibers_.below(99);
    Ref<Probe> request = engine::make_ref<Probe>(++last_id_, filler, first_cut, fibers_.below(99),
                                                 now_ + chances_.deadline, now_);
    request->repeatable = fibers_.chance(chances_.repeat);
    return request;
  }

  Steps caller(std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
      const Ref<Probe> request = make_request();
      co_await Fibers::pause();
      if (lane_.full(request->size())) continue;
      all_.push_back(request);
      const bool comes = fibers_.chance(blocking_);
      Duties duties = lane_.submit(*request, comes, now_);
      co_await perform(duties);
      if (comes && fibers_.chance(0.1)) {
        co_await Fibers::pause();
        Duties more = lane_.hand_over(*request);
        co_await perform(more);
      } else if (comes || fibers_.chance(0.3)) {
        co_await wait(*request);
      } else {
        request->told = true;
      }
    }
    --callers_;
  }

  // Asks for some at a time, and watches what it drives.
  Steps event_loop(std::size_t times) {
    Watch watch;
    std::vector<Ref<Probe>> mine;
    bool watches = false;
    while (times > 0 || !mine.empty()) {
      bool has_asked = false;
      for (std::size_t some = fibers_.below(4); some > 0 && times > 0; --some, --times) {
        const Ref<Probe> request = make_request();
        co_await Fibers::pause();
        if (lane_.full(request->size())) continue;
        all_.push_back(request);
        mine.push_back(request);
        has_asked = true;
        if (lane_.submit_looped(*request, &watch, now_)) continue;
        co_await Fibers::pause();
        Duties duties = lane_.hand_over(*request);
        co_await perform(duties);
      }
      co_await Fibers::pause();
      if (has_asked) co_await send(watch);
      const bool gives_up = fibers_.chance(chances_.give_up);
      const Fibers::Condition told = [&] {
        if (times > 0 && fibers_.chance(0.1)) return true;
        if (watch.readable() || mine.empty()) return true;
        for (const auto& each : mine) {
          if (each->completed() || now_ >= each->deadline()) return true;
        }
        return gives_up && fibers_.chance(0.3);
      };
      co_await Fibers::until(told);
      if (watch.readable()) {
        co_await loop_turn(watch, watches);
        if (!watches) watch.wire = nullptr;
      }
      for (const auto& each : mine) {
        if (each->completed() || (now_ < each->deadline() && !gives_up)) continue;
        co_await Fibers::pause();
        Duties given_up = lane_.hand_over(*each);
        co_await perform(given_up);
        each->given_up = each->abandon();
      }
      std::erase_if(mine, [](const auto& each) { return each->completed() || each->given_up; });
    }
    --callers_;
  }

  // Of a loop: the connection that it watches, or none.
  struct Watch {
    std::shared_ptr<Wire> wire;
    bool readable() const { return wire && (!wire->replies.empty() || wire->dead); }
  };

  Steps send(Watch& watch) {
    bool watches = false;
    bool looks = false;
    Duties duties = lane_.loop_sends(&watch, watches, looks);
    co_await perform(duties);
    if (looks) co_await loop_turn(watch, watches);
    co_await Fibers::pause();
    if (watches && lane_.role() == Lane::Role::none && lane_.is_open()) watch.wire = wire_;
  }

  Steps loop_turn(Watch& watch, bool& watches) {
    watches = lane_.begin_turn_of(&watch);
    if (!watches) co_return;
    ++loop_turns;
    check(drivers_++ == 0, "two drive");
    co_await turn(watch.readable());
    co_await Fibers::pause();
    --drivers_;
    const bool unfinished = dialing_ || waiting_.for_writing || (!wire_ && lane_.size() > 0) ||
                            (watch.wire && watch.wire != wire_);
    Duties duties = lane_.end_turn_of_loop(unfinished, watches);
    co_await perform(duties);
  }

  Steps listener(int times) {
    while (--times > 0) {
      for (const int more : {1, -1}) {
        for (std::size_t i = fibers_.below(40); i > 0; --i) co_await Fibers::pause();
        Duties duties = lane_.listen(more);
        co_await perform(duties);
      }
    }
    --callers_;
  }

  Steps wait(Probe& request) {
    const bool gives_up = fibers_.chance(chances_.give_up);
    const Fibers::Condition told = [&] {
      return request.completed() || request.told_to_lead || (gives_up && fibers_.chance(0.3));
    };
    for (;;) {
      if (request.completed()) co_return;
      co_await Fibers::pause();
      bool leads = false;
      Duties sleeps = lane_.wait(request, leads);
      if (leads) {
        co_await lead(request, gives_up);
        break;
      }
      co_await perform(sleeps);
      co_await Fibers::until(told);
      if (request.completed() || request.told_to_lead) {
        request.told_to_lead = false;
        continue;
      }
      Duties duties = lane_.give_up(request);
      co_await perform(duties);
      break;
    }
    if (!request.completed() && fibers_.chance(0.5)) request.given_up = request.abandon();
  }

  Steps lead(Probe& request, bool gives_up) {
    check(drivers_++ == 0, "two drive");
    const Fibers::Condition polled = [&] { return ready() || now_ >= look_up_; };
    for (bool looked = false;; looked = true) {
      co_await turn(looked);
      if (request.completed() || (gives_up && fibers_.chance(0.3))) break;
      look_up_ = now_ + 10ms;
      co_await Fibers::until(polled);
    }
    co_await Fibers::pause();
    --drivers_;
    Duties duties = lane_.leave(request, dialing_);
    co_await perform(duties);
  }

  Steps perform(Duties& duties) {
    const bool writes = duties.write;
    for (;;) {
      if (duties.leader) {
        ++promotions;
        co_await Fibers::pause();
        probe(*duties.leader).told_to_lead = true;
      }
      if (!duties.wake) break;
      co_await Fibers::pause();
      if (attached_ || woken_ || !fibers_.chance(chances_.no_thread)) {
        woken_ = true;
        break;
      }
      bool seized = false;
      duties = lane_.io_refused(seized);
      if (!seized) continue;
      check(drivers_++ == 0, "two drive");
      co_await lose(Lane::Loss::attempt);
      --drivers_;
      duties = lane_.release();
    }
    if (writes) co_await write();
  }

  // --- The writer ---

  Steps write() {
    check(writers_++ == 0, "two write");
    for (;;) {
      Pieces pieces;
      Unsent unwanted;
      const bool more = lane_.take(pieces, 30, unwanted);
      const std::shared_ptr<Wire> wire = wire_;
      if (!more) --writers_;
      while (const Ref<Request> each = unwanted.pop()) each->finish({});
      if (!more) co_return;
      co_await Fibers::pause();
      std::string bytes;
      for (const std::string_view each : pieces.all()) bytes += each;
      std::size_t count = std::min(bytes.size(), room - std::min(room, wire->sent.size()));
      if (count > 0 && fibers_.chance(0.3)) count = 1 + fibers_.below(count);
      if (wire->dead) count = 0;
      wire->sent += bytes.substr(0, count);
      co_await Fibers::pause();
      Unsent answered_early;
      const Duties duties = lane_.wrote(count, count == 0, answered_early);
      if (!duties.write) --writers_;
      if (duties.wake) {
        co_await Fibers::pause();
        woken_ = true;
      }
      if (!duties.write) co_return;
    }
  }

  // --- The driver ---

  bool readable() const { return wire_ && (!wire_->replies.empty() || wire_->dead); }
  bool writable() const { return wire_ && wire_->sent.size() < room; }
  // What the driver waits for, as of the end of his turn.
  struct Waiting {
    bool for_reading = false;
    bool for_writing = false;
    Moment until = Moment::max();
  };
  void settle() {
    const Lane::Wait wait = lane_.settle();
    waiting_ = {.for_reading = wire_ != nullptr, .for_writing = wait.write, .until = wait.until};
    if (wire_ == nullptr && (lane_.size() > 0 || dialing_)) waiting_.until = Moment::min();
  }
  bool ready() const {
    return (waiting_.for_reading && readable()) || (waiting_.for_writing && writable()) ||
           now_ >= waiting_.until;
  }

  Steps turn(bool looked) {
    const bool reads = readable();
    const bool writes = writable();
    const Moment now = now_;
    co_await Fibers::pause();
    if (!wire_) co_await dial(now);
    if (wire_) {
      looked |= lane_.take_stale();
      if (reads) co_await receive();
    }
    if (wire_) {
      co_await Fibers::pause();
      const bool starts = lane_.start_writing(looked && writes);
      const bool overdue = looked && !reads && lane_.overdue(now);
      if (starts) co_await write();
      if (overdue) co_await lose(loss(Lane::Loss::silence));
    }
    Requests expired;
    lane_.expire(now_, expired);
    co_await Fibers::pause();
    while (const Ref<Request> each = expired.pop()) {
      each->complete({.fault = Fault::timeout, .why = why_});
    }
    settle();
  }

  Steps dial(Moment now) {
    if (!dialing_ && lane_.size() == 0) co_return;
    dialing_ = true;
    if (fibers_.chance(0.3)) co_return;  // It takes some turns.
    dialing_ = false;
    if (fibers_.chance(chances_.fail)) {
      co_await lose(Lane::Loss::attempt);
      co_return;
    }
    wire_ = std::make_shared<Wire>();
    has_replied_ = false;
    lane_.opened(now);
  }

  Steps receive() {
    Request* due[3];
    Requests out;
    std::size_t named = lane_.due(due, 0, now_, out);
    std::size_t next = 0;
    while (!wire_->replies.empty()) {
      if (next == named) {
        co_await Fibers::pause();
        named = lane_.due(due, next, now_, out);
        next = 0;
      }
      check(named > 0, "a reply that nobody waits for");
      if (named == 0) break;
      check(probe(*due[next]).id == wire_->replies.front(), "a reply to another request");
      wire_->replies.pop_front();
      has_replied_ = true;
      ++next;
    }
    co_await Fibers::pause();
    lane_.due({}, next, now_, out);
    while (const Ref<Request> each = out.pop()) {
      co_await Fibers::pause();
      each->finish({});
    }
    if (wire_->dead && wire_->replies.empty()) co_await lose(loss(Lane::Loss::end));
  }

  Lane::Loss loss(Lane::Loss working) const { return has_replied_ ? working : Lane::Loss::attempt; }
  Steps lose(Lane::Loss loss) {
    if (wire_) wire_->dead = true;
    const Fibers::Condition nobody_writes = [&] { return !lane_.writing(); };
    co_await Fibers::until(nobody_writes);
    Requests out;
    wire_ = nullptr;
    dialing_ = false;
    lane_.lost(loss, out);
    while (const Ref<Request> each = out.pop()) {
      co_await Fibers::pause();
      each->finish({.fault = Fault::unavailable, .why = why_});
    }
  }

  Steps io_thread() {
    Moment until = Moment::max();
    const Fibers::Condition polled = [&] {
      return woken_ || (attached_ && (ready() || now_ >= until));
    };
    for (;;) {
      co_await Fibers::until(polled);
      const bool looked = attached_ && !woken_;
      woken_ = false;
      attached_ = lane_.begin_turn_of_io();
      if (!attached_) continue;
      check(drivers_++ == 0, "two drive");
      co_await turn(looked);
      co_await Fibers::pause();
      --drivers_;
      attached_ = !lane_.rest(dialing_, now_);
      until = lane_.rest_at();
    }
  }

  // --- The server ---

  Steps server() {
    Moment thaws = Moment::min();
    const Fibers::Condition busy = [&] {
      return wire_ && !wire_->dead && !wire_->silent && now_ >= thaws && !wire_->sent.empty();
    };
    for (;;) {
      co_await Fibers::until(busy);
      if (fibers_.chance(chances_.kill)) wire_->dead = true;
      if (fibers_.chance(chances_.freeze)) thaws = now_ + 40ms;
      if (fibers_.chance(chances_.freeze / 2)) wire_->silent = true;
      wire_->heard += std::exchange(wire_->sent, "");
      while (wire_->heard.size() >= 8) {
        std::uint32_t words[2] = {};  // The size and the number of a request.
        std::memcpy(words, wire_->heard.data(), sizeof words);
        if (wire_->heard.size() < words[0]) break;
        wire_->heard.erase(0, words[0]);
        wire_->replies.push_back(words[1]);
      }
    }
  }

  Fibers fibers_;
  const Chances chances_;
  const std::size_t handoff_;
  Lane lane_;
  const std::shared_ptr<const std::string> why_ = std::make_shared<const std::string>("why");
  Moment now_ = Moment(std::chrono::hours(1));
  std::uint32_t last_id_ = 0;
  std::size_t callers_ = 0;
  std::vector<Ref<Probe>> all_;
  std::shared_ptr<Wire> wire_;
  bool has_replied_ = false;
  bool dialing_ = false;
  bool woken_ = false;     // The I/O thread was.
  bool attached_ = false;  // It polls the socket.
  Moment look_up_ = Moment::max();
  Waiting waiting_;
  double blocking_ = 0.7;  // So many of the callers are threads that wait.
  int drivers_ = 0;
  int writers_ = 0;
};

struct Sum {
  std::uint64_t steps = 0;
  std::uint64_t takeovers = 0;
  std::uint64_t give_backs = 0;
  std::uint64_t promotions = 0;
  std::uint64_t loop_turns = 0;
  std::size_t asked = 0;
  std::size_t answered = 0;
};

Sum run(int seeds, const Chances& chances) {
  Sum sum;
  for (int seed = 0; seed < seeds; ++seed) {
    World world(static_cast<std::uint64_t>(seed), chances);
    world.run();
    for (const std::string& fault : world.faults) ADD_FAILURE() << "seed " << seed << ": " << fault;
    if (!world.faults.empty()) break;
    sum.steps += world.steps;
    sum.takeovers += world.takeovers();
    sum.give_backs += world.give_backs();
    sum.promotions += world.promotions;
    sum.loop_turns += world.loop_turns;
    sum.asked += world.asked;
    sum.answered += world.answered;
  }
  return sum;
}

TEST(LaneModel, EveryRequestIsAnsweredOnceWhateverTheOrder) {
  const Sum sum = run(1500, {});
  EXPECT_GT(sum.steps, 50'000U);
  EXPECT_EQ(sum.answered, sum.asked);
  // All that there is to hand off was handed off.
  EXPECT_GT(sum.takeovers, 100U);
  EXPECT_EQ(sum.give_backs, sum.takeovers);
  EXPECT_GT(sum.promotions, 20U);
  EXPECT_GT(sum.loop_turns, 1000U);
}

TEST(LaneModel, EveryRequestCompletesOnceThoughConnectionsAreLost) {
  const Sum sum = run(1500, {.kill = 0.05, .fail = 0.3});
  EXPECT_GT(sum.steps, 50'000U);
  EXPECT_LT(sum.answered, sum.asked);
  EXPECT_GT(sum.answered, sum.asked / 4);
}

TEST(LaneModel, EveryRequestCompletesOnceThoughTimeRunsOut) {
  const Sum sum =
      run(1500, {.kill = 0.01, .freeze = 0.02, .fail = 0.1, .give_up = 0.3, .deadline = 10ms});
  EXPECT_GT(sum.steps, 50'000U);
  EXPECT_GT(sum.answered, sum.asked / 4);
}

TEST(LaneModel, EveryRequestCompletesOnceThoughNoThreadCanBeHad) {
  const Sum sum = run(1500, {.kill = 0.01, .give_up = 0.1, .no_thread = 0.5});
  EXPECT_GT(sum.steps, 50'000U);
  EXPECT_GT(sum.answered, sum.asked / 4);
}

}  // namespace
}  // namespace dcache::net
