// SPDX-License-Identifier: MIT
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <mutex>
#include <utility>

#include "dcache/backends/file.hpp"
#include "dcache/engine/executor.hpp"
#include "dcache/engine/lock.hpp"
#include "dcache/error.hpp"

#include "backends/file/folders.hpp"
#include "backends/file/leases.hpp"
#include "backends/file/sweep.hpp"

namespace dcache {

using engine::Item;
using engine::Reply;
using engine::Verb;

class FileBackend::Store : public std::enable_shared_from_this<Store> {
 public:
  Store(std::string path, FileOptions options)
      : path_(std::move(path)), options_(options), sweep_every_(options.max_bytes / 32 + 1) {}

  const std::string& path() const noexcept { return path_; }

  void run(engine::Op& op) {
    try {
      std::shared_ptr<Opened> opened = open();
      // Somebody may have removed the folders, and somebody else made them anew. A hit need not
      // ask.
      if (op.verb() != Verb::get && !opened->folders.locks.is_linked()) opened = reopen(*opened);
      for (Item& item : op.items) {
        if (const fs::Error error = answer(op.verb(), item, *opened)) {
          return op.fail("file://" + path_ + ": " + described(error), error != ETIMEDOUT);
        }
      }
      op.complete();
    } catch (const ConfigError& error) {
      op.refuse(error.what());
    } catch (const std::exception& error) {
      op.fail(error.what(), true);
    }
  }

  void check() { open(); }

  void close() noexcept {
    closed_.store(true);
    exchange(nullptr);
  }

  bool sweep() {
    const std::shared_ptr<Opened> opened = open();
    if (opened->sweeping.test_and_set()) return false;
    const bool alone = opened->folders.locks.try_lock(sweep_byte) == 0;
    if (alone) {
      files::sweep(opened->folders, opened->leases, options_.max_bytes);
      opened->folders.locks.unlock(sweep_byte);
    }
    opened->sweeping.clear();
    return alone;
  }

 private:
  std::string described(fs::Error error) const {
    if (error != EFBIG) return fs::describe(error);
    return "an entry is larger than max_bytes, " + std::to_string(options_.max_bytes);
  }

  struct Opened {
    Opened(const std::string& path, bool allow_shared)
        : folders(path, allow_shared), leases(folders.locks) {}

    files::Folders folders;
    files::Leases leases;
    std::atomic_flag sweeping;
  };

  static constexpr std::uint64_t sweep_byte = std::uint64_t{1} << 39U;  // Behind the numbers.
  static constexpr std::size_t file_max = std::size_t{256} << 20U;

  // A forked child opens the lock file anew: it would share its parent's locks.
  std::shared_ptr<Opened> open() {
    if (closed_.load()) throw TierError("dcache: file://" + path_ + " is closed");
    std::shared_ptr<Opened> opened = current();
    if (opened && opened->folders.generation == engine::fork_generation()) return opened;
    opened = std::make_shared<Opened>(path_, options_.allow_shared);
    exchange(opened);
    return opened;
  }
  std::shared_ptr<Opened> current() {
    const std::lock_guard lock(lock_);
    return opened_;
  }
  std::shared_ptr<Opened> exchange(std::shared_ptr<Opened> opened) noexcept {
    const std::lock_guard lock(lock_);
    std::swap(opened_, opened);
    return opened;  // Closed by the caller, without the lock.
  }

  std::shared_ptr<Opened> reopen(const Opened& old) {
    if (current().get() == &old) exchange(nullptr);
    return open();
  }

  fs::Error answer(Verb verb, Item& item, Opened& opened) {
    switch (verb) {
      case Verb::get:
        return get(item, opened);
      case Verb::put:
        return put(item, opened);
      case Verb::erase:
        return erase(item, opened);
      case Verb::add:
        return add(item, opened);
      case Verb::lease:
        return lease(item, opened);
      case Verb::watch:
        return told(item, opened.leases.watch(files::entry_name(item.key), item.token), 0,
                    Reply::done);
      case Verb::fill:
        return fill(item, opened);
      case Verb::release:
        opened.leases.release(files::entry_name(item.key), item.token);
        item.reply = Reply::done;
        return 0;
      case Verb::await:
        return ENOTSUP;
    }
    return ENOTSUP;
  }

  // `expected`: the error that is an answer.
  static fs::Error told(Item& item, fs::Error error, fs::Error expected, Reply reply) {
    item.reply = error == 0 ? Reply::done : error == expected ? reply : Reply::failed;
    return item.reply == Reply::failed ? error : 0;
  }

  fs::Error get(Item& item, Opened& opened) {
    const std::string name = files::entry_name(item.key);
    fs::Error error = opened.folders.entries.read(name.c_str(), item.value, file_max);
    if (error == ENOENT && !opened.folders.locks.is_linked()) {
      error = reopen(opened)->folders.entries.read(name.c_str(), item.value, file_max);
    }
    // What somebody has put in the place of a file is none of ours.
    const bool is_none = error == ENOENT || error == ELOOP || error == ENXIO || error == EISDIR ||
                         error == EFBIG || error == EAGAIN;
    if (error != 0 && !is_none) return error;
    item.reply = error == 0 ? Reply::found : Reply::missing;
    return 0;
  }

  // It is looked with the lease in hand: who had it before has stored what he computed.
  fs::Error lease(Item& item, Opened& opened) {
    const std::string name = files::entry_name(item.key);
    const std::string seen = std::exchange(item.value, {});
    const fs::Error leased = opened.leases.lease(name, item.token);
    if (!item.looks || (leased != 0 && leased != EAGAIN)) {
      return told(item, leased, EAGAIN, Reply::busy);
    }
    const fs::Error error = get(item, opened);
    const bool is_new = item.reply == Reply::found && engine::is_news(item.value, seen);
    if (error == 0 && !is_new) return told(item, leased, EAGAIN, Reply::busy);
    if (leased == 0) opened.leases.release(name, item.token);
    return error;
  }

  fs::Error put(Item& item, Opened& opened) {
    const std::string name = files::entry_name(item.key);
    return write(name, item, opened, [&](const std::function<fs::Error()>& publish) {
      return opened.leases.and_kill(name, publish);
    });
  }

  fs::Error fill(Item& item, Opened& opened) {
    const std::string name = files::entry_name(item.key);
    const auto alive = [&](const std::function<fs::Error()>& publish) {
      return opened.leases.if_alive(name, item.token, item.kills, publish);
    };
    const fs::Error error = write(name, item, opened, alive);
    opened.leases.release(name, item.token);
    return told(item, error, ESTALE, Reply::refused);
  }

  fs::Error erase(Item& item, Opened& opened) {
    const std::string name = files::entry_name(item.key);
    const fs::Error error = opened.leases.and_kill(name, [&] {
      const fs::Error first = opened.folders.entries.remove(name.c_str());
      return first == EISDIR ? move_away(name, opened) : first;
    });
    return told(item, error, ENOENT, Reply::missing);
  }

  fs::Error add(Item& item, Opened& opened) {
    const std::string name = files::entry_name(item.key);
    Item old;
    old.key = item.key;
    const auto once = [&](const std::function<fs::Error()>& publish) {
      return opened.leases.and_kill(name, [&]() -> fs::Error {
        if (const fs::Error trouble = get(old, opened)) return trouble;
        return old.reply == Reply::found ? EEXIST : publish();
      });
    };
    const fs::Error error = write(name, item, opened, once);
    if (error == EEXIST) item.value = std::move(old.value);
    return told(item, error, EEXIST, Reply::found);
  }

  // A folder that somebody has put there.
  static fs::Error move_away(const std::string& name, const Opened& opened) {
    return opened.folders.entries.move(name.c_str(), opened.folders.drafts);
  }

  // `guarded(publish)` publishes the draft, if it may.
  template <class Guarded>
  fs::Error write(const std::string& name, Item& item, Opened& opened, Guarded&& guarded) {
    if (item.value.size() > options_.max_bytes) {
      // A sweep would remove all else before it. What was there is out of date.
      return guarded([&]() -> fs::Error {
        opened.folders.entries.remove(name.c_str());
        return EFBIG;
      });
    }
    fs::Draft draft(opened.folders.drafts);
    fs::Error error = draft.write(item.value, opened.folders.file_mode, item.expires);
    if (error == 0) {
      error = guarded([&]() -> fs::Error {
        const fs::Error first = draft.publish(opened.folders.entries, name.c_str());
        if (first == EISDIR || first == ENOTEMPTY || first == EEXIST) move_away(name, opened);
        if (first == 0) return 0;
        opened.folders.entries.make(name.substr(0, 2).c_str(), opened.folders.folder_mode);
        return draft.publish(opened.folders.entries, name.c_str());
      });
    }
    if (error == 0) item.reply = Reply::done;
    wrote(error == ENOSPC || error == EDQUOT ? sweep_every_ : item.value.size() + 512);
    return error;
  }

  // The first write of a process sweeps, too: nobody knows what others left behind.
  void wrote(std::uint64_t bytes) {
    const std::uint64_t before = written_.fetch_add(bytes, std::memory_order_relaxed);
    if (before != 0 && before / sweep_every_ == (before + bytes) / sweep_every_) return;
    engine::background().submit([self = this->shared_from_this()] { self->sweep(); });
  }

  const std::string path_;
  const FileOptions options_;
  const std::uint64_t sweep_every_;
  engine::Lock lock_;
  std::shared_ptr<Opened> opened_;  // Guarded by lock_.
  std::atomic<bool> closed_{false};
  std::atomic<std::uint64_t> written_{0};
};

FileBackend::FileBackend(const std::string& path, FileOptions options) {
  if (path.empty()) throw ConfigError("dcache: the path of a file backend is empty");
  if (options.max_bytes == 0) {
    throw ConfigError("dcache: max_bytes of file://" + path + " is 0; expected at least 1");
  }
  std::error_code ignored;
  std::string absolute = std::filesystem::absolute(path, ignored).lexically_normal().string();
  while (absolute.size() > 1 && absolute.back() == '/') absolute.pop_back();
  store_ = std::make_shared<Store>(std::move(absolute), options);
}

FileBackend::~FileBackend() = default;

std::string FileBackend::name() const { return "file://" + store_->path(); }

engine::Capabilities FileBackend::capabilities() const noexcept {
  return {.shared = true, .local = true, .adds = true, .leases = true};
}

void FileBackend::submit(const engine::Ref<engine::Op>& op) noexcept { store_->run(*op); }

void FileBackend::check() { store_->check(); }

void FileBackend::close() noexcept { store_->close(); }

bool FileBackend::sweep() { return store_->sweep(); }

}  // namespace dcache
