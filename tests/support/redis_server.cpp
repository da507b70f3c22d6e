// SPDX-License-Identifier: MIT
#include "support/redis_server.hpp"

#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/child.hpp"
#include "support/redis_client.hpp"
#include "support/resp.hpp"

#include "net/certificates.hpp"
#include "wire/resp.hpp"

namespace dcache::test {
namespace {

using namespace std::chrono_literals;

// One that nobody has at this moment.
std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool fine = ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(fd);
  if (!fine) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

// The server is the same program as its checker, which goes by the name that it is called by.
std::string program(Flavour flavour) {
  const std::string name = name_of(flavour);
  for (const std::string& file : {name + "-server", name + "-check-rdb"}) {
    for (const char* const folder : {"/usr/bin/", "/usr/local/bin/", "/opt/homebrew/bin/"}) {
      if (::access((folder + file).c_str(), X_OK) == 0) return folder + file;
    }
  }
  throw std::runtime_error("no " + name + "-server here: tools/setup test installs it");
}

}  // namespace

RedisServer::RedisServer(RedisOptions options) : options_(std::move(options)), port_(free_port()) {
  if (options_.tls) make_certificates();
  start();
}

RedisServer::~RedisServer() { kill(); }

void RedisServer::configure() const {
  std::ofstream file(folder_ / "conf");
  const std::string port = std::to_string(port_);
  file << "bind 127.0.0.1\ndir " << folder_.path() << "\nsave \"\"\nappendonly no\nunixsocket "
       << socket() << "\nlogfile " << (folder_ / "log") << '\n';
  if (options_.tls) {
    file << "port 0\ntls-port " << port << "\ntls-cert-file " << (folder_ / "server.crt")
         << "\ntls-key-file " << (folder_ / "server.key") << "\ntls-ca-cert-file " << ca()
         << "\ntls-auth-clients " << (options_.client_certificates ? "yes" : "no") << '\n';
  } else {
    file << "port " << port << '\n';
  }
  for (const std::string& line : options_.lines) file << line << '\n';
}

void RedisServer::make_certificates() const {
  const net::test::Certificate authority("dcache-tests", "", nullptr);
  const net::test::Certificate server("server", "DNS:localhost", &authority);
  const net::test::Certificate client("client", "", &authority);
  authority.write(ca(), folder_ / "ca.key");
  server.write(folder_ / "server.crt", folder_ / "server.key");
  client.write(client_certificate(), client_key());
}

void RedisServer::start() {
  configure();
  const std::string file = program(options_.flavour);
  const std::string name = std::string(name_of(options_.flavour)) + "-server";
  const std::string conf = folder_ / "conf";
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nowhere = ::open("/dev/null", O_RDWR);
    for (const int fd : {0, 1, 2}) ::dup2(nowhere, fd);
    if (::getppid() == parent) ::execl(file.c_str(), name.c_str(), conf.c_str(), nullptr);
    ::_exit(127);
  }
  const auto give_up = std::chrono::steady_clock::now() + 10s;
  while (!answers()) {
    const bool ended = ::waitpid(pid_, nullptr, WNOHANG) == pid_;
    if (ended) pid_ = -1;
    if (ended || std::chrono::steady_clock::now() > give_up) {
      std::ostringstream log;
      log << std::ifstream(folder_ / "log").rdbuf();
      kill();
      throw std::runtime_error(name + " does not start: " + log.str());
    }
    std::this_thread::sleep_for(5ms);
  }
}

bool RedisServer::answers() const {
  try {
    return !ask({"PING"}).starts_with("-LOADING");
  } catch (const std::runtime_error&) {
    return false;
  }
}

void RedisServer::kill() noexcept {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void RedisServer::freeze() const noexcept { testing::stop_child(pid_); }
void RedisServer::thaw() const noexcept { ::kill(pid_, SIGCONT); }

std::string RedisServer::ask(const std::vector<std::string_view>& words) const {
  RedisClient client(socket());
  std::string command;
  resp::append_head(command, words.size());
  for (const std::string_view word : words) resp::append_word(command, word);
  client.send(command);
  return shown(client.receive());
}

}  // namespace dcache::test
