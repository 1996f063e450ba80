#include "tests/slurm/slurm_cluster.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace vulcap::testing {
namespace {

namespace fs = std::filesystem;

// Of TCP, free a moment ago.
int free_port() {
  const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = bind(file, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     getsockname(file, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(file);
  if (!bound) throw std::runtime_error("no free TCP port");
  return ntohs(address.sin_port);
}

std::string user_name() {
  const passwd* entry = getpwuid(geteuid());
  if (entry == nullptr) throw std::runtime_error("this user has no name, which Slurm needs");
  return entry->pw_name;
}

std::string host_name() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  const std::string whole = name;
  return whole.substr(0, whole.find('.'));
}

bool is_installed(const std::string& program) {
  for (const char* folder : {"/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/sbin", "/bin"}) {
    if (access((fs::path(folder) / program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

}  // namespace

std::string SlurmCluster::lacks() {
  for (const char* program : {"munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol"}) {
    if (!is_installed(program)) return std::string(program) + " (packages slurm-wlm and munge)";
  }
  return "";
}

SlurmCluster::SlurmCluster(fs::path folder, const fs::path& log)
    : folder_(std::move(folder)), log_(log), user_(user_name()) {
  fs::permissions(folder_, fs::perms(0711));
  write_key();
  write_configuration();
  start(
      "munged --foreground --num-threads=2 --key-file=$PWD/munge.key --socket=$PWD/munge.socket "
      "--pid-file=$PWD/munge.pid --log-file=$PWD/munged.log --seed-file=$PWD/munge.seed");
  const auto has_socket = [&] { return fs::exists(folder_ / "munge.socket"); };
  if (!wait_until("munged runs", std::chrono::seconds(20), has_socket))
    throw std::runtime_error("munged does not come up");
  start("slurmctld -D");
  start("slurmd -D -N node1");
  start("slurmd -D -N node2");
  if (!wait_until("two nodes are idle", std::chrono::seconds(60), [&] { return nodes_are_idle(); }))
    throw std::runtime_error("Slurm's nodes do not come up; see its logs");
}

SlurmCluster::~SlurmCluster() {
  try {
    run("scancel", {"--user=" + user_});
    wait_until("no job runs", std::chrono::seconds(20), [&] {
      return ask("squeue", {"--noheader", "--states=running,completing"}, {}).out.empty();
    });
  } catch (const std::exception& error) {
    note(error.what());
  }
  for (auto daemon = daemons_.rbegin(); daemon != daemons_.rend(); ++daemon) {
    daemon->send(SIGTERM);
    daemon->wait(std::chrono::seconds(10));
  }
}

void SlurmCluster::write_key() {
  std::string key(128, '\0');
  std::random_device random;
  for (char& byte : key) byte = char(random());
  std::ofstream(folder_ / "munge.key", std::ios::binary) << key;
  fs::permissions(folder_ / "munge.key", fs::perms::owner_read | fs::perms::owner_write);
}

void SlurmCluster::write_configuration() {
  for (const char* name : {"state", "spool"}) fs::create_directory(folder_ / name);
  std::ofstream file(folder_ / "slurm.conf");
  const std::string here = folder_.string();
  file << "ClusterName=vulcap\nSlurmctldHost=" << host_name() << "(127.0.0.1)\nSlurmctldPort=" << free_port()
       << "\nSlurmUser=" << user_ << "\nSlurmdUser="
       << user_
       // A requeued job waits for as long as a credential lives; five seconds are the least.
       << "\nMailProg=/bin/true\nAuthType=auth/munge\nCredType=cred/munge\nAuthInfo=socket=" << here
       << "/munge.socket,cred_expire=5\nStateSaveLocation=" << here << "/state\nSlurmdSpoolDir=" << here
       << "/spool/%n\nSlurmctldPidFile=" << here << "/slurmctld.pid\nSlurmdPidFile=" << here
       << "/%n.pid\nSlurmctldLogFile=" << here << "/slurmctld.log\nSlurmdLogFile=" << here << "/%n.log\n";
  file << "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nMpiDefault=none\n"
          "JobAcctGatherType=jobacct_gather/none\nAccountingStorageType=accounting_storage/none\n"
          "SelectType=select/cons_tres\nSelectTypeParameters=CR_Core\nSlurmdParameters=config_overrides\n"
          "SchedulerType=sched/"
          "backfill\nSchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0\n"
          "PreemptType=preempt/partition_prio\nPreemptMode=REQUEUE\nJobRequeue=1\nReturnToService=2\n"
          "KillWait=5\nMinJobAge=3600\n";
  for (const char* node : {"node1", "node2"}) {
    file << "NodeName=" << node << " NodeHostname=" << host_name()
         << " NodeAddr=127.0.0.1 Port=" << free_port() << " CPUs=4\n";
  }
  file << "PartitionName=low Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=10\n"
          "PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF\n";
}

void SlurmCluster::start(const std::string& command) {
  note("$ " + command + " &");
  // Through a shell, since the daemons' folders are not in the PATH of all users.
  daemons_.emplace_back("/bin/sh",
                        Arguments{"-c", "PATH=$PATH:/usr/sbin:/sbin; cd " + folder_.string() + "; exec " +
                                            command + " >/dev/null 2>&1"},
                        Environment{{"SLURM_CONF", (folder_ / "slurm.conf").string()}});
}

bool SlurmCluster::nodes_are_idle() {
  const Outcome outcome = ask("sinfo", {"--noheader", "--partition=low", "--states=idle", "--format=%D"}, {});
  return outcome.exit_code == 0 && outcome.out.starts_with("2");
}

Outcome SlurmCluster::ask(const std::string& program, const Arguments& arguments, Environment environment) {
  environment["SLURM_CONF"] = (folder_ / "slurm.conf").string();
  return ChildProcess(program, arguments, environment).wait(std::chrono::seconds(120));
}

std::string SlurmCluster::run(const std::string& program, const Arguments& arguments,
                              const Environment& more) {
  std::string line = program;
  for (const std::string& argument : arguments) line += " " + argument;
  const Outcome outcome = ask(program, arguments, more);
  note("$ " + line + "\n" + outcome.out + outcome.err);
  if (outcome.exit_code != 0) throw std::runtime_error(line + " failed: " + outcome.err);
  return outcome.out;
}

bool SlurmCluster::wait_until(const std::string& what, std::chrono::seconds limit,
                              const std::function<bool()>& holds) {
  const auto begin = std::chrono::steady_clock::now();
  while (!holds()) {
    if (std::chrono::steady_clock::now() - begin > limit) {
      note("# waited in vain: " + what);
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
  }
  note("# " + what);
  return true;
}

std::string SlurmCluster::job_field(const std::string& job, const std::string& field) {
  std::string values;
  std::istringstream words(ask("scontrol", {"--oneliner", "show", "job", job}, {}).out);
  for (std::string word; words >> word;) {
    if (word.starts_with(field + "=")) values += word.substr(field.size() + 1) + "\n";
  }
  return values;
}

void SlurmCluster::note(const std::string& text) {
  log_ << text << (text.ends_with('\n') ? "" : "\n") << std::flush;
}

}  // namespace vulcap::testing
