// SPDX-License-Identifier: MIT
// What files do besides the suite: permissions, the bound, and whoever dies in the middle.
#include "dcache/backends/file.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dcache/cache.hpp"
#include "dcache/error.hpp"
#include "support/child.hpp"
#include "support/folder.hpp"

#include "backends/file/folders.hpp"
#include "backends/file/sweep.hpp"

namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using dcache::FileBackend;
using dcache::engine::make_op;
using dcache::engine::Op;
using dcache::engine::Ref;
using dcache::engine::Reply;
using dcache::engine::SteadyMoment;
using dcache::engine::Verb;
using dcache::engine::WallTime;
using dcache::test::Folder;

WallTime wall(std::chrono::seconds from_now) {
  return dcache::engine::wall_now() + dcache::engine::microseconds(from_now);
}

Ref<Op> ask(FileBackend& files, Verb verb, const std::string& key, std::string value = "",
            std::chrono::seconds expires = 1h) {
  Ref<Op> op = make_op(verb, key, SteadyMoment::max());
  op->items[0].value = std::move(value);
  op->items[0].expires = wall(expires);
  files.submit(op);
  EXPECT_TRUE(op->completed());
  return op;
}

Reply reply(FileBackend& files, Verb verb, const std::string& key, std::string value = "",
            std::chrono::seconds expires = 1h) {
  return ask(files, verb, key, std::move(value), expires)->items[0].reply;
}

unsigned mode_of(const std::string& path) {
  struct stat found{};
  return stat(path.c_str(), &found) == 0 ? found.st_mode & 07777U : 0;
}

std::size_t files_in(const std::string& path) {
  std::size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path)) count += entry.is_regular_file();
  return count;
}

// Unless the one in the background is at it.
void sweep(FileBackend& files) {
  while (!files.sweep()) std::this_thread::sleep_for(1ms);
}

TEST(FileBackend, KeepsOthersOut) {
  const Folder folder;
  FileBackend files(folder / "a/b");
  ASSERT_EQ(reply(files, Verb::put, "key", "value"), Reply::done);
  EXPECT_EQ(mode_of(folder / "a/b"), 0700U);
  EXPECT_EQ(mode_of(folder / "a/b/entries"), 0700U);
  for (const auto& entry : fs::recursive_directory_iterator(folder / "a/b")) {
    EXPECT_EQ(mode_of(entry.path()), entry.is_directory() ? 0700U : 0600U) << entry.path();
  }
}

TEST(FileBackend, LetsOthersInWhereTheyAreAllowedWhateverTheUmask) {
  const Folder folder;
  FileBackend files(folder / "a/b", {.allow_shared = true});
  ASSERT_EQ(reply(files, Verb::put, "key", "value"), Reply::done);
  EXPECT_EQ(mode_of(folder / "a"), 0755U);
  EXPECT_EQ(mode_of(folder / "a/b"), 0777U);
  for (const auto& entry : fs::recursive_directory_iterator(folder / "a/b")) {
    EXPECT_EQ(mode_of(entry.path()), entry.is_directory() ? 0777U : 0666U) << entry.path();
  }
}

TEST(FileBackend, RefusesAFolderThatEverybodyCanWrite) {
  const Folder folder;
  fs::create_directory(folder / "open");
  chmod((folder / "open").c_str(), 0777);
  FileBackend files(folder / "open");
  EXPECT_THROW(files.check(), dcache::ConfigError);
  const Ref<Op> op = ask(files, Verb::get, "key");
  EXPECT_TRUE(op->refused());
  EXPECT_NE(op->trouble().find("allow_shared"), std::string::npos) << op->trouble();
  const auto f = dcache::Cache("file://" + (folder / "open")).memoize("f", [](int n) { return n; });
  EXPECT_THROW(f(1), dcache::ConfigError);
  FileBackend shared(folder / "open", {.allow_shared = true});
  EXPECT_NO_THROW(shared.check());
}

TEST(FileBackend, RefusesAFolderThatEverybodyCanReplaceUnlessItIsSticky) {
  const Folder folder;
  fs::create_directory(folder / "open");
  chmod((folder / "open").c_str(), 0777);
  EXPECT_THROW(FileBackend(folder / "open/mine").check(), dcache::ConfigError);
  EXPECT_THROW(FileBackend(folder / "open/under/mine").check(), dcache::ConfigError);
  chmod((folder / "open").c_str(), 01777);
  EXPECT_NO_THROW(FileBackend(folder / "open/mine").check());
  EXPECT_NO_THROW(FileBackend(folder / "open/under/mine").check());
}

TEST(FileBackend, DoesNothingBeforeItIsUsed) {
  const Folder folder;
  const FileBackend files(folder / "later");
  EXPECT_FALSE(fs::exists(folder / "later"));
}

TEST(FileBackend, MakesItsFoldersAnewWhenSomebodyRemovedThem) {
  const Folder folder;
  FileBackend files(folder / "cache");
  EXPECT_EQ(reply(files, Verb::put, "key", "value"), Reply::done);
  fs::remove_all(folder / "cache");
  EXPECT_EQ(reply(files, Verb::get, "key"), Reply::missing);
  reply(files, Verb::put, "key", "value");  // This one may find out.
  EXPECT_EQ(reply(files, Verb::put, "key", "value"), Reply::done);
  EXPECT_EQ(reply(files, Verb::get, "key"), Reply::found);
}

TEST(FileBackend, SweepsWhatHasExpired) {
  const Folder folder;
  FileBackend files(folder / "cache");
  reply(files, Verb::put, "old", "value", -1s);
  reply(files, Verb::put, "new", "value");
  sweep(files);
  EXPECT_EQ(reply(files, Verb::get, "old"), Reply::missing);
  EXPECT_EQ(reply(files, Verb::get, "new"), Reply::found);
}

TEST(FileBackend, SweepsNothingThatReplacedWhatHasExpired) {
  const Folder folder;
  FileBackend files(folder / "cache", {.max_bytes = 1});  // Each write has it swept.
  for (int i = 0; i < 300; ++i) {
    const std::string key = "key" + std::to_string(i);
    reply(files, Verb::put, key, "old", -1s);
    const Ref<Op> mark = make_op(Verb::put, key, SteadyMoment::max());  // Without an end.
    files.submit(mark);
    std::this_thread::sleep_for(std::chrono::microseconds(i % 30 * 10));
    ASSERT_EQ(reply(files, Verb::get, key), Reply::found) << i;
  }
}

TEST(FileBackend, SweepsDownToItsBoundWhatWasNotUsedForLongest) {
  const Folder folder;
  FileBackend files(folder / "cache", {.max_bytes = 200'000});
  for (int i = 0; i < 30; ++i) {
    reply(files, Verb::put, "key" + std::to_string(i), std::string(10'000, 'x'));
    std::this_thread::sleep_for(5ms);
  }
  Ref<Op> mark = make_op(Verb::put, "mark", SteadyMoment::max());  // Without an end.
  files.submit(mark);
  sweep(files);
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder / "cache/entries")) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  EXPECT_LE(bytes, 200'000U);
  EXPECT_GE(bytes, 100'000U);
  EXPECT_EQ(reply(files, Verb::get, "key0"), Reply::missing);
  EXPECT_EQ(reply(files, Verb::get, "key29"), Reply::found);
  EXPECT_EQ(reply(files, Verb::get, "mark"), Reply::found);
}

TEST(FileBackend, SweepsByItselfWhenMuchWasWritten) {
  const Folder folder;
  FileBackend files(folder / "cache", {.max_bytes = 100'000});
  for (int i = 0; i < 200; ++i) {
    reply(files, Verb::put, "key" + std::to_string(i), std::string(4000, 'x'));
  }
  for (int tries = 0; tries < 1000 && files_in(folder / "cache/entries") > 40; ++tries) {
    std::this_thread::sleep_for(10ms);
    reply(files, Verb::put, "again" + std::to_string(tries), std::string(4000, 'x'));
  }
  EXPECT_LE(files_in(folder / "cache/entries"), 40U);
}

TEST(FileBackend, RemovesDraftsThatNobodyFinishedButNotThoseOfAWriterAtWork) {
  const Folder folder;
  FileBackend(folder / "cache").check();
  std::ofstream(folder / "cache/drafts/left-behind") << "half";
  const dcache::files::Folders folders(folder / "cache", false);
  dcache::files::Leases leases(folders.locks);
  dcache::files::sweep(folders, leases, 1000);
  EXPECT_EQ(files_in(folder / "cache/drafts"), 1U);
  std::this_thread::sleep_for(20ms);
  dcache::files::sweep(folders, leases, 1000, 10ms);
  EXPECT_EQ(files_in(folder / "cache/drafts"), 0U);
}

TEST(FileBackend, RefusesWhatWouldPushOutAllElse) {
  const Folder folder;
  FileBackend files(folder / "cache", {.max_bytes = 100'000});
  EXPECT_EQ(reply(files, Verb::put, "small", "a"), Reply::done);
  EXPECT_EQ(reply(files, Verb::put, "grows", "old"), Reply::done);
  const std::string large(100'001, 'x');
  EXPECT_NE(ask(files, Verb::put, "grows", large)->trouble().find("larger than max_bytes, 100000"),
            std::string::npos);
  EXPECT_EQ(reply(files, Verb::put, "grows", large), Reply::failed);
  EXPECT_EQ(reply(files, Verb::get, "grows"), Reply::missing);  // What was there is out of date.
  files.sweep();
  EXPECT_EQ(reply(files, Verb::get, "small"), Reply::found);
}

TEST(FileBackend, SurvivesAFullDisk) {
  const Folder folder;
  fs::create_directory(folder / "disk");
  if (mount("tmpfs", (folder / "disk").c_str(), "tmpfs", 0, "size=256k") != 0) {
    GTEST_SKIP() << "mounting a small disk needs root";
  }
  {
    FileBackend files(folder / "disk/cache");
    EXPECT_EQ(reply(files, Verb::put, "first", std::string(50'000, 'a')), Reply::done);
    int failed = 0;
    for (int i = 0; i < 20; ++i) {
      failed += reply(files, Verb::put, "more" + std::to_string(i), std::string(50'000, 'b')) ==
                Reply::failed;
    }
    EXPECT_GT(failed, 0);
    EXPECT_EQ(ask(files, Verb::get, "first")->items[0].value, std::string(50'000, 'a'));
    EXPECT_EQ(reply(files, Verb::erase, "first"), Reply::done);
    EXPECT_EQ(files_in(folder / "disk/cache/drafts"), 0U);
    const auto f =
        dcache::Cache("file://" + (folder / "disk/cache"))
            .memoize("f", [](int n) { return std::string(90'000, static_cast<char>(n)); }, {});
    for (int n = 0; n < 5; ++n) EXPECT_EQ(f(n).size(), 90'000U);
  }
  EXPECT_EQ(umount2((folder / "disk").c_str(), MNT_DETACH), 0);
}

// The value of a key says what it has to be, so that half a file would be seen.
std::string value_of(int key) {
  return std::string(static_cast<std::size_t>(3000 + key * 17), static_cast<char>('a' + key % 26));
}

[[noreturn]] void write_until_killed(const std::string& path) {
  FileBackend files(path);
  for (int i = 0;; ++i) {
    const int key = i % 40;
    reply(files, Verb::put, "key" + std::to_string(key), value_of(key));
  }
}

TEST(FileBackend, SurvivesWritersThatAreKilledAtAnyMoment) {
  const Folder folder;
  const std::string path = folder / "cache";
  FileBackend files(path);
  constexpr int kills = 200;
  for (int i = 0; i < kills; ++i) {
    const pid_t writer = fork();
    if (writer == 0) write_until_killed(path);
    std::this_thread::sleep_for(std::chrono::microseconds(2000 + i * 37 % 4000));
    kill(writer, SIGKILL);
    waitpid(writer, nullptr, 0);
    for (int key = 0; key < 40; ++key) {
      const Ref<Op> op = ask(files, Verb::get, "key" + std::to_string(key));
      if (op->items[0].reply == Reply::missing) continue;
      ASSERT_EQ(op->items[0].value, value_of(key)) << "after kill " << i;
    }
  }
  EXPECT_LE(files_in(path + "/entries"), 40U);
  std::this_thread::sleep_for(20ms);
  const dcache::files::Folders folders(path, false);
  dcache::files::Leases leases(folders.locks);
  dcache::files::sweep(folders, leases, 1'000'000, 10ms);
  EXPECT_EQ(files_in(path + "/drafts"), 0U);
  EXPECT_EQ(reply(files, Verb::put, "key1", value_of(1)), Reply::done);
  EXPECT_EQ(reply(files, Verb::erase, "key1"), Reply::done);
}

TEST(FileBackend, LendsTheLeaseOfAKilledLeaderToTheNext) {
  const Folder folder;
  FileBackend files(folder / "cache");
  files.check();
  const pid_t leader = fork();
  if (leader == 0) {
    FileBackend own(folder / "cache");
    reply(own, Verb::lease, "key");
    std::ofstream(folder / "leased") << "now";
    for (;;) pause();
  }
  while (!fs::exists(folder / "leased")) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(reply(files, Verb::lease, "key"), Reply::busy);
  kill(leader, SIGKILL);
  waitpid(leader, nullptr, 0);
  EXPECT_EQ(reply(files, Verb::lease, "key"), Reply::done);
}

TEST(FileBackend, RunsOneBodyInSixProcesses) {
  const Folder folder;
  std::vector<pid_t> processes;
  for (int i = 0; i < 6; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      alarm(60);
      const std::string runs = folder / "runs";
      const auto f =
          dcache::Cache({"memory:", "file://" + (folder / "cache")}).memoize("f", [&](int n) {
            fs::create_directories(runs);
            std::ofstream(runs + "/" + std::to_string(getpid())) << n;
            std::this_thread::sleep_for(200ms);
            return n;
          });
      _exit(f(1) == 1 ? 0 : 1);
    }
    processes.push_back(pid);
  }
  for (const pid_t pid : processes) {
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  EXPECT_EQ(files_in(folder / "runs"), 1U);
}

// The child has the file open, too, which would keep the lock.
TEST(FileBackend, LeasesEndWithTheirProcessThoughAForkedChildOfItLivesOn) {
  const Folder folder;
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t leader = fork();
  if (leader == 0) {
    close(ends[1]);
    FileBackend own(folder / "cache");
    if (reply(own, Verb::lease, "key") != Reply::done) _exit(1);
    if (fork() == 0) {  // Does nothing until the pipe is closed.
      char byte = 0;
      _exit(static_cast<int>(read(ends[0], &byte, 1)));
    }
    _exit(0);
  }
  close(ends[0]);
  int status = -1;
  waitpid(leader, &status, 0);
  EXPECT_EQ(status, 0);
  FileBackend files(folder / "cache");
  Reply lease = Reply::busy;  // Until the child has run for the first time, and let go.
  for (int tries = 0; tries < 1000 && lease == Reply::busy; ++tries) {
    lease = reply(files, Verb::lease, "key");
    if (lease == Reply::busy) std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(lease, Reply::done);
  close(ends[1]);
}

TEST(FileBackend, WorksInAForkedChildWithLeasesOfItsOwn) {
  const Folder folder;
  FileBackend files(folder / "cache");
  EXPECT_EQ(reply(files, Verb::put, "key", "value"), Reply::done);
  EXPECT_EQ(reply(files, Verb::lease, "leased"), Reply::done);
  EXPECT_TRUE(dcache::testing::true_in_child([&] {
    return reply(files, Verb::get, "key") == Reply::found &&
           reply(files, Verb::lease, "leased") == Reply::busy &&
           reply(files, Verb::lease, "other") == Reply::done &&
           reply(files, Verb::put, "key2", "value") == Reply::done;
  }));
  EXPECT_EQ(reply(files, Verb::get, "key2"), Reply::found);
}

}  // namespace
