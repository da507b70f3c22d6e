// SPDX-License-Identifier: MIT
#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <unordered_map>
#include <utility>
#include <vector>

#include "backends/s3/http.hpp"
#include "backends/s3/threads.hpp"
#include "backends/s3/transfer.hpp"

namespace dcache::http {

using engine::Ref;

namespace {

using namespace std::chrono_literals;

// Our own thread leaves after so long with nothing to do, so that the next who waits can drive.
constexpr auto idle_max = 5ms;
// And looks at the clock at least so often.
constexpr auto sleep_max = 10s;

}  // namespace

/// The requests of one client in one process, and who drives them: a thread that waits, or one
/// of ours.
class Client::Loop final : public Leaving, public std::enable_shared_from_this<Loop> {
 public:
  Loop() : multi_(curl_multi_init()) {
    if (!multi_) throw std::bad_alloc();
    curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(connections_max));
  }

  void send(const Ref<Exchange>& exchange, bool driven) {
    bool starts = false;
    bool wakes = false;
    const char* refused = nullptr;
    {
      const std::lock_guard lock(lock_);
      if (stopped_) {
        refused = "closed";
      } else if (waiting_ >= waiting_max) {
        refused = "too many requests wait already";
      } else {
        arrived_.push_back(exchange);
        ++waiting_;
        wakes = runs_;
        starts = !runs_ && !driven;
        runs_ = runs_ || starts;
      }
    }
    if (refused != nullptr) return end(*exchange, Fault::closed, refused);
    if (starts) return start();
    if (wakes) wake();
  }

  void drive(SteadyMoment moment, const std::function<bool()>& ended) {
    {
      const std::lock_guard lock(lock_);
      if (runs_ || stopped_) return;
      runs_ = true;
    }
    const Driven driven(*this);
    while (!leaves_.load() && !ended() && std::chrono::steady_clock::now() < moment) {
      turn();
      if (!ended()) sleep(moment);
    }
    leave();
  }

  void hand_over() {
    {
      const std::lock_guard lock(lock_);
      if (runs_ || arrived_.empty()) return;
      runs_ = true;
    }
    start();
  }

  void give_up(const Ref<Exchange>& exchange) {
    {
      const std::lock_guard lock(lock_);
      if (!runs_) return;  // It has ended.
      given_up_.push_back(exchange);
    }
    wake();
  }

  void leave_for_good() noexcept override {
    leaves_.store(true);
    curl_multi_wakeup(multi_.get());
  }

  void stop() noexcept {
    {
      const std::lock_guard lock(lock_);
      stopped_ = true;
    }
    wake();
  }

 private:
  struct EndMulti {
    void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
  };
  struct Active {
    Ref<Exchange> exchange;
    std::unique_ptr<Transfer> transfer;
  };

  static void end(Exchange& exchange, Fault fault, const char* why) noexcept {
    exchange.reply.fault = fault;
    exchange.reply.trouble = why;
    exchange.ended();
  }

  void wake() noexcept {
    if (asleep_.exchange(false)) curl_multi_wakeup(multi_.get());
  }

  void start() {
    if (run_on_thread([self = shared_from_this()] { self->run(); })) return;
    std::vector<Ref<Exchange>> stranded;
    {
      const std::lock_guard lock(lock_);
      runs_ = false;
      stranded.swap(arrived_);
      waiting_ -= stranded.size();
    }
    for (const auto& each : stranded) end(*each, Fault::broken, "no thread could be had");
  }

  // On our own thread.
  void run() {
    const Driven driven(*this);
    SteadyMoment idle_since = std::chrono::steady_clock::now();
    for (;;) {
      if (leaves_.load()) return;
      const bool stopping = turn();
      const SteadyMoment now = std::chrono::steady_clock::now();
      if (!is_idle()) idle_since = now;
      if ((stopping || now - idle_since >= idle_max) && may_end()) break;
      sleep(is_idle() ? idle_since + idle_max : SteadyMoment::max());
    }
  }

  bool is_idle() const noexcept { return active_.empty() && later_.empty() && ready_.empty(); }

  // As far as it goes without waiting. True: it is stopped.
  bool turn() {
    const bool stopping = take_arrivals();
    if (stopping) end_all();
    begin_due();
    int running = 0;
    curl_multi_perform(multi_.get(), &running);
    finish_done();
    return stopping;
  }

  // What is left goes on on our own thread.
  void leave() {
    if (leaves_.load()) return;
    if (!is_idle() || !may_end()) start();
  }

  // True: it is stopped.
  bool take_arrivals() {
    std::vector<Ref<Exchange>> arrived;
    std::vector<Ref<Exchange>> given_up;
    bool stopped = false;
    {
      const std::lock_guard lock(lock_);
      arrived.swap(arrived_);
      given_up.swap(given_up_);
      stopped = stopped_;
      waiting_ = arrived.size() + later_.size() + ready_.size();
    }
    for (auto& each : arrived) {
      const SteadyMoment due = each->request.not_before;
      later_.emplace(due, std::move(each));
    }
    for (const auto& each : given_up) drop(*each);
    return stopped;
  }

  // What is due goes out, as far as there are connections; what is overdue has ended.
  void begin_due() {
    const SteadyMoment now = std::chrono::steady_clock::now();
    while (!later_.empty() && later_.begin()->first <= now) {
      const auto first = later_.begin();
      ready_.emplace(first->second->request.deadline, std::move(first->second));
      later_.erase(first);
    }
    while (!ready_.empty()) {
      const auto first = ready_.begin();
      const bool overdue = first->first <= now;
      if (!overdue && active_.size() >= connections_max) return;
      const Ref<Exchange> exchange = std::move(first->second);
      ready_.erase(first);
      if (overdue) {
        end(*exchange, Fault::timeout, "its time was over before there was a connection for it");
      } else {
        begin(exchange);
      }
    }
  }

  void begin(const Ref<Exchange>& exchange) noexcept {
    try {
      std::unique_ptr<Transfer> transfer;
      if (spare_.empty()) {
        transfer = std::make_unique<Transfer>();
      } else {
        transfer = std::move(spare_.back());
        spare_.pop_back();
      }
      transfer->prepare(exchange->request, exchange->reply);
      CURL* const easy = transfer->easy();
      active_[easy] = {exchange, std::move(transfer)};
      curl_multi_add_handle(multi_.get(), easy);
    } catch (const std::bad_alloc&) {
      end(*exchange, Fault::broken, "no memory");
    }
  }

  void finish_done() {
    int left = 0;
    while (const CURLMsg* const message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode result = message->data.result;
      const Ref<Exchange> exchange = take_out(message->easy_handle, result);
      if (exchange) exchange->ended();
    }
  }

  Ref<Exchange> take_out(CURL* easy, CURLcode result) {
    const auto at = active_.find(easy);
    if (at == active_.end()) return {};
    Active ended = std::move(at->second);
    active_.erase(at);
    curl_multi_remove_handle(multi_.get(), easy);
    ended.transfer->finish(result);
    spare_.push_back(std::move(ended.transfer));
    return std::move(ended.exchange);
  }

  void drop(const Exchange& exchange) {
    for (auto* const waiting : {&later_, &ready_}) {
      for (auto at = waiting->begin(); at != waiting->end(); ++at) {
        if (at->second.get() != &exchange) continue;
        const Ref<Exchange> dropped = std::move(at->second);
        waiting->erase(at);
        return end(*dropped, Fault::closed, "given up");
      }
    }
    for (const auto& [easy, active] : active_) {
      if (active.exchange.get() != &exchange) continue;
      const Ref<Exchange> dropped = take_out(easy, CURLE_ABORTED_BY_CALLBACK);
      return end(*dropped, Fault::closed, "given up");
    }
  }

  // An exchange that ends here may be sent again, which is refused then.
  void end_all() {
    for (auto* const waiting : {&later_, &ready_}) {
      for (auto& [moment, exchange] : std::exchange(*waiting, {})) {
        end(*exchange, Fault::closed, "closed");
      }
    }
    while (!active_.empty()) {
      const Ref<Exchange> dropped = take_out(active_.begin()->first, CURLE_ABORTED_BY_CALLBACK);
      end(*dropped, Fault::closed, "closed");
    }
  }

  bool may_end() {
    const std::lock_guard lock(lock_);
    if (!arrived_.empty() || !active_.empty()) return false;
    given_up_.clear();
    runs_ = false;
    return true;
  }

  void sleep(SteadyMoment moment) {
    const SteadyMoment now = std::chrono::steady_clock::now();
    SteadyMoment until = std::min(moment, now + sleep_max);
    if (!later_.empty()) until = std::min(until, later_.begin()->first);
    if (!ready_.empty()) until = std::min(until, ready_.begin()->first);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now);
    asleep_.store(true);
    {
      const std::lock_guard lock(lock_);
      if (!arrived_.empty() || !given_up_.empty() || stopped_) {
        asleep_.store(false);
        return;
      }
    }
    const auto most = static_cast<int>(std::max<std::int64_t>(0, left.count()));
    curl_multi_poll(multi_.get(), nullptr, 0, most, nullptr);
    asleep_.store(false);
  }

  engine::Lock lock_;
  std::vector<Ref<Exchange>> arrived_;   // Guarded by lock_.
  std::vector<Ref<Exchange>> given_up_;  // Guarded by lock_.
  std::size_t waiting_ = 0;              // Guarded by lock_: about as many have not begun.
  bool runs_ = false;                    // Guarded by lock_: somebody drives it.
  bool stopped_ = false;                 // Guarded by lock_.
  std::atomic<bool> asleep_{false};
  std::atomic<bool> leaves_{false};  // The process ends.

  // Of who drives it.
  std::unique_ptr<CURLM, EndMulti> multi_;
  std::unordered_map<CURL*, Active> active_;
  std::multimap<SteadyMoment, Ref<Exchange>> later_;  // By when they may begin.
  std::multimap<SteadyMoment, Ref<Exchange>> ready_;  // By their deadlines.
  std::vector<std::unique_ptr<Transfer>> spare_;
};

Client::Loops::Loops() : loop(std::make_shared<Loop>()) {}

Client::~Client() { close(); }

std::shared_ptr<Client::Loop> Client::loop() {
  start_curl();
  const std::lock_guard lock(lock_);
  return closed_ ? nullptr : loops_.get().loop;
}

void Client::send(const Ref<Exchange>& exchange, bool driven) noexcept {
  try {
    if (const std::shared_ptr<Loop> running = loop()) return running->send(exchange, driven);
    exchange->reply.trouble = "closed";
    exchange->reply.fault = Fault::closed;
  } catch (const std::bad_alloc&) {
    exchange->reply.fault = Fault::broken;
  }
  exchange->ended();
}

void Client::drive(SteadyMoment moment, const std::function<bool()>& ended) noexcept {
  try {
    if (const std::shared_ptr<Loop> running = loop()) running->drive(moment, ended);
  } catch (const std::bad_alloc&) {
    hand_over();
  }
}

void Client::hand_over() noexcept {
  try {
    if (const std::shared_ptr<Loop> running = loop()) running->hand_over();
  } catch (const std::bad_alloc&) {
    // Then it waits for the next request.
  }
}

void Client::give_up(const Ref<Exchange>& exchange) noexcept {
  try {
    if (const std::shared_ptr<Loop> running = loop()) running->give_up(exchange);
  } catch (const std::bad_alloc&) {
    // It goes on to its deadline.
  }
}

void Client::close() noexcept {
  std::shared_ptr<Loop> running;
  {
    const std::lock_guard lock(lock_);
    closed_ = true;
    if (Loops* const loops = loops_.existing()) running = loops->loop;
  }
  if (running) running->stop();
}

}  // namespace dcache::http
