/*
 * A wide-area network in user space. Every node is a network namespace with one TUN interface; IPv4 packets go from node to node by their
 * destination address, and on their way are lost, queued, slowed down and delayed. Needs nothing of the kernel but TUN and namespaces.
 *
 *   node A ─ loss ─► uplink queue and rate of A ─► delay of A + delay of B ─► downlink queue and rate of B ─► node B
 *
 * Commands on stdin, one a line; each is answered by one line of JSON on stdout, {"ok":true} or {"error":"..."} where nothing else is said.
 *
 *   add NAME netns=PATH interface=NAME address=IPV4 [SETTING=VALUE ...]   opens the interface; whoever started us gives it the address
 *   set NAME SETTING=VALUE ...                                            from the next packet on; all of them or, after an error, none
 *   counters                                                              {"counters":{"NAME":{...},...}}
 *
 * Settings: uplink_mbit, downlink_mbit (10^6 bits per second, 0 is unlimited), delay_ms (one way, to the middle of the network), loss_percent
 * (of packets sent), queue_bytes (waiting in each direction; what does not fit is dropped), cut (1: nothing comes or goes).
 * Ends when stdin does, and its interfaces end with it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { MAX_NODES = 256, NAME_BYTES = 32, MTU = 1500, LINE_BYTES = 1024, READS_IN_A_ROW = 32 };

typedef int64_t Nanoseconds;

typedef enum { LEAVES_UPLINK, REACHES_DOWNLINK, LEAVES_DOWNLINK } Stage;

typedef struct Packet {
  struct Packet *next;
  Nanoseconds due;
  uint64_t order;
  Stage stage;
  int from, to, length;
  uint8_t bytes[MTU];
} Packet;

/* One direction of a node's access link: the first packet of the queue is being sent, the others wait. */
typedef struct {
  Packet *first, *last;
  uint64_t queued_bytes, peak_bytes, dropped;
} Pipe;

typedef struct {
  double uplink_mbit, downlink_mbit, delay_ms, loss_percent, queue_bytes, cut;
} Settings;

typedef struct {
  char name[NAME_BYTES];
  int tun;
  uint32_t address;
  Settings settings;
  Pipe uplink, downlink;
  uint64_t random;
  uint64_t sent_packets, sent_bytes, received_packets, received_bytes, lost_packets, cut_packets, unroutable_packets;
} Node;

static const Settings DEFAULTS = {.queue_bytes = 256000};

static const struct {
  const char *name;
  size_t offset;
  double most;
} SETTINGS[] = {
  {"uplink_mbit", offsetof(Settings, uplink_mbit), 1e5},
  {"downlink_mbit", offsetof(Settings, downlink_mbit), 1e5},
  {"delay_ms", offsetof(Settings, delay_ms), 1e5},
  {"loss_percent", offsetof(Settings, loss_percent), 100},
  {"queue_bytes", offsetof(Settings, queue_bytes), 1e9},
  {"cut", offsetof(Settings, cut), 1},
};

static Node nodes[MAX_NODES];
static int node_count, home; /* The latter: the namespace in which we were started. */

static void crash(const char *what) {
  perror(what);
  exit(1);
}

static Nanoseconds now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* Uniform in [0, 1), of the node's own stream: splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014). */
static double draw(Node *node) {
  uint64_t mixed = node->random += 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
  return (double)((mixed ^ (mixed >> 31)) >> 11) / 9007199254740992.0;
}

/* ---- What is due next: a binary heap. Of packets that are due at the same time, the one that was scheduled first comes first, or streams would be reordered. */

static Packet **schedule;
static int scheduled, schedule_capacity;

static bool is_earlier(const Packet *a, const Packet *b) {
  return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void schedule_at(Packet *packet, Nanoseconds due) {
  if (scheduled == schedule_capacity) {
    schedule_capacity = schedule_capacity == 0 ? 1024 : 2 * schedule_capacity;
    schedule = realloc(schedule, (size_t)schedule_capacity * sizeof *schedule);
    if (schedule == NULL) crash("realloc");
  }
  static uint64_t order;
  packet->due = due;
  packet->order = order++;
  int at = scheduled++;
  while (at > 0 && is_earlier(packet, schedule[(at - 1) / 2])) {
    schedule[at] = schedule[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  schedule[at] = packet;
}

static Packet *take_earliest(void) {
  Packet *earliest = schedule[0], *moved = schedule[--scheduled];
  int at = 0;
  for (int child; (child = 2 * at + 1) < scheduled; at = child) {
    if (child + 1 < scheduled && is_earlier(schedule[child + 1], schedule[child])) child++;
    if (!is_earlier(schedule[child], moved)) break;
    schedule[at] = schedule[child];
  }
  schedule[at] = moved;
  return earliest;
}

/* ---- The way of a packet */

static Nanoseconds sending_time(const Packet *packet, double mbit) {
  return mbit > 0 ? (Nanoseconds)(packet->length * 8000.0 / mbit) : 0;
}

/* Queues a packet, or drops it where the queue is full; a pipe that is free begins to send it at once. */
static void enter_pipe(Pipe *pipe, double mbit, double queue_bytes, Packet *packet, Stage after, Nanoseconds time) {
  if (mbit > 0 && pipe->first != NULL && (double)(pipe->queued_bytes + (uint64_t)packet->length) > queue_bytes) {
    pipe->dropped++;
    free(packet);
    return;
  }
  packet->stage = after;
  packet->next = NULL;
  pipe->queued_bytes += (uint64_t)packet->length;
  if (pipe->queued_bytes > pipe->peak_bytes) pipe->peak_bytes = pipe->queued_bytes;
  if (pipe->first != NULL) {
    pipe->last->next = packet;
  } else {
    pipe->first = packet;
    schedule_at(packet, time + sending_time(packet, mbit));
  }
  pipe->last = packet;
}

/* The first packet has been sent. The next one begins when it ended, not when we noticed: lateness must not slow the pipe down. */
static void leave_pipe(Pipe *pipe, double mbit, Nanoseconds time) {
  Packet *sent = pipe->first;
  pipe->first = sent->next;
  pipe->queued_bytes -= (uint64_t)sent->length;
  if (pipe->first != NULL) schedule_at(pipe->first, time + sending_time(pipe->first, mbit));
}

static int find_address(uint32_t address) {
  for (int index = 0; index < node_count; index++) if (nodes[index].address == address) return index;
  return -1;
}

static void send_from(int from, Packet *packet, Nanoseconds time) {
  Node *node = &nodes[from];
  uint32_t destination = 0;
  if (packet->length >= 20 && packet->bytes[0] >> 4 == 4) memcpy(&destination, packet->bytes + 16, sizeof destination);
  packet->from = from;
  packet->to = find_address(destination);
  if (packet->to < 0) {
    node->unroutable_packets++;
  } else if (node->settings.cut != 0) {
    node->cut_packets++;
  } else {
    node->sent_packets++;
    node->sent_bytes += (uint64_t)packet->length;
    if (draw(node) * 100 >= node->settings.loss_percent) {
      enter_pipe(&node->uplink, node->settings.uplink_mbit, node->settings.queue_bytes, packet, LEAVES_UPLINK, time);
      return;
    }
    node->lost_packets++;
  }
  free(packet);
}

static void go_on(Packet *packet) {
  Node *from = &nodes[packet->from], *to = &nodes[packet->to];
  const Nanoseconds time = packet->due;
  switch (packet->stage) {
    case LEAVES_UPLINK:
      leave_pipe(&from->uplink, from->settings.uplink_mbit, time);
      packet->stage = REACHES_DOWNLINK;
      schedule_at(packet, time + (Nanoseconds)((from->settings.delay_ms + to->settings.delay_ms) * 1e6));
      return;
    case REACHES_DOWNLINK:
      if (to->settings.cut == 0) {
        enter_pipe(&to->downlink, to->settings.downlink_mbit, to->settings.queue_bytes, packet, LEAVES_DOWNLINK, time);
      } else {
        to->cut_packets++;
        free(packet);
      }
      return;
    case LEAVES_DOWNLINK:
      leave_pipe(&to->downlink, to->settings.downlink_mbit, time);
      if (write(to->tun, packet->bytes, (size_t)packet->length) == packet->length) {
        to->received_packets++;
        to->received_bytes += (uint64_t)packet->length;
      }
      free(packet);
  }
}

static void read_from(int index) {
  for (int reads = 0; reads < READS_IN_A_ROW; reads++) {
    Packet *packet = malloc(sizeof *packet);
    if (packet == NULL) crash("malloc");
    packet->length = (int)read(nodes[index].tun, packet->bytes, sizeof packet->bytes);
    if (packet->length <= 0) {
      free(packet);
      return;
    }
    send_from(index, packet, now());
  }
}

/* ---- Commands */

static bool refuse(const char *format, ...) {
  char reason[LINE_BYTES];
  va_list values;
  va_start(values, format);
  vsnprintf(reason, sizeof reason, format, values);
  va_end(values);
  for (char *at = reason; *at != 0; at++) if (*at == '"' || *at == '\\' || *at < ' ') *at = '\'';
  printf("{\"error\":\"%s\"}\n", reason);
  return false;
}

static Node *find_node(const char *name) {
  for (int index = 0; index < node_count; index++) if (strcmp(nodes[index].name, name) == 0) return &nodes[index];
  return NULL;
}

/* Cuts "key=value" in two. Returns the value, NULL where there is none. */
static const char *cut_value(char *word) {
  char *equals = strchr(word, '=');
  if (equals != NULL) *equals++ = 0;
  return equals;
}

static bool read_setting(Settings *settings, const char *key, const char *value) {
  if (value == NULL) return refuse("'%s' is not of the form KEY=VALUE", key);
  for (size_t index = 0; index < sizeof SETTINGS / sizeof *SETTINGS; index++) {
    if (strcmp(key, SETTINGS[index].name) != 0) continue;
    char *end;
    const double number = strtod(value, &end);
    if (end == value || *end != 0 || !(number >= 0 && number <= SETTINGS[index].most)) {
      return refuse("%s must be a number from 0 to %.0f, not '%s'", key, SETTINGS[index].most, value);
    }
    *(double *)((char *)settings + SETTINGS[index].offset) = number;
    return true;
  }
  return refuse("'%s' is not a setting", key);
}

/* A TUN interface belongs to the namespace in which it was opened; we are there for that moment only. */
static int open_tun(const char *netns, const char *interface) {
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
  const int there = open(netns, O_RDONLY | O_CLOEXEC);
  if (there < 0 || setns(there, CLONE_NEWNET) != 0) return -1;
  close(there);
  const int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  const bool opened = tun >= 0 && ioctl(tun, TUNSETIFF, &request) == 0;
  const int reason = errno;
  if (setns(home, CLONE_NEWNET) != 0) crash("setns");
  errno = reason;
  return opened ? tun : -1;
}

static bool add_node(const char *name, char *words) {
  if (node_count == MAX_NODES) return refuse("more than %d nodes", MAX_NODES);
  if (strlen(name) >= NAME_BYTES) return refuse("'%s' is longer than %d bytes", name, NAME_BYTES - 1);
  if (find_node(name) != NULL) return refuse("node %s was added before", name);
  Node node = {.settings = DEFAULTS, .random = (uint64_t)node_count};
  const char *netns = NULL, *interface = NULL, *address = NULL;
  for (char *word; (word = strsep(&words, " ")) != NULL;) {
    const char *value = cut_value(word);
    if (strcmp(word, "netns") == 0) netns = value;
    else if (strcmp(word, "interface") == 0) interface = value;
    else if (strcmp(word, "address") == 0) address = value;
    else if (!read_setting(&node.settings, word, value)) return false;
  }
  if (netns == NULL || interface == NULL || address == NULL) return refuse("node %s needs netns, interface and address", name);
  if (inet_pton(AF_INET, address, &node.address) != 1) return refuse("'%s' is not an IPv4 address", address);
  if (find_address(node.address) >= 0) return refuse("the address of node %s is taken", name);
  if ((node.tun = open_tun(netns, interface)) < 0) return refuse("interface %s in %s could not be opened: %s", interface, netns, strerror(errno));
  strcpy(node.name, name);
  nodes[node_count++] = node;
  return true;
}

static bool set_node(const char *name, char *words) {
  Node *node = find_node(name);
  if (node == NULL) return refuse("there is no node '%s'", name);
  Settings settings = node->settings;
  for (char *word; (word = strsep(&words, " ")) != NULL;) if (!read_setting(&settings, word, cut_value(word))) return false;
  node->settings = settings;
  return true;
}

static void print_counters(void) {
  printf("{\"counters\":{");
  for (int index = 0; index < node_count; index++) {
    const Node *node = &nodes[index];
    const struct { const char *name; uint64_t value; } values[] = {
      {"sentPackets", node->sent_packets}, {"sentBytes", node->sent_bytes}, {"receivedPackets", node->received_packets}, {"receivedBytes", node->received_bytes},
      {"lostPackets", node->lost_packets}, {"cutPackets", node->cut_packets}, {"unroutablePackets", node->unroutable_packets},
      {"uplinkDrops", node->uplink.dropped}, {"downlinkDrops", node->downlink.dropped}, {"uplinkPeakBytes", node->uplink.peak_bytes}, {"downlinkPeakBytes", node->downlink.peak_bytes},
    };
    printf("%s\"%s\":{", index == 0 ? "" : ",", node->name);
    for (size_t at = 0; at < sizeof values / sizeof *values; at++) printf("%s\"%s\":%llu", at == 0 ? "" : ",", values[at].name, (unsigned long long)values[at].value);
    printf("}");
  }
  printf("}}\n");
}

static void obey(char *line) {
  const char *command = strsep(&line, " ");
  if (strcmp(command, "counters") == 0 && line == NULL) return print_counters();
  const char *name = strsep(&line, " ");
  bool done;
  if (name == NULL || line == NULL) done = refuse("a command is 'add NAME ...', 'set NAME ...' or 'counters', not '%s'", command);
  else if (strcmp(command, "add") == 0) done = add_node(name, line);
  else if (strcmp(command, "set") == 0) done = set_node(name, line);
  else done = refuse("there is no command '%s'", command);
  if (done) printf("{\"ok\":true}\n");
}

static void read_commands(void) {
  static char text[LINE_BYTES];
  static size_t length;
  const ssize_t added = read(STDIN_FILENO, text + length, sizeof text - length);
  if (added <= 0) exit(0);
  length += (size_t)added;
  char *start = text;
  for (char *end; (end = memchr(start, '\n', length)) != NULL; start = end + 1) {
    *end = 0;
    length -= (size_t)(end + 1 - start);
    obey(start);
    if (fflush(stdout) != 0) exit(0);
  }
  memmove(text, start, length);
  if (length == sizeof text) {
    fprintf(stderr, "a command is longer than %d bytes\n", LINE_BYTES);
    exit(1);
  }
}

int main(void) {
  /*
   * Wake up when a packet is due, not 50 µs later, and before the programs whose packets these are; the latter only where it is allowed.
   * Niceness would count within a session only (sched(7), "The autogroup feature"), and every tab is a session of its own.
   */
  prctl(PR_SET_TIMERSLACK, 1UL);
  const struct sched_param first = {.sched_priority = 1};
  sched_setscheduler(0, SCHED_FIFO, &first);
  if ((home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) < 0) crash("/proc/self/ns/net");
  for (;;) {
    struct pollfd polled[MAX_NODES + 1] = {{.fd = STDIN_FILENO, .events = POLLIN}};
    const int count = node_count;
    for (int index = 0; index < count; index++) polled[index + 1] = (struct pollfd){.fd = nodes[index].tun, .events = POLLIN};
    const Nanoseconds wait = scheduled == 0 ? 0 : schedule[0]->due - now();
    const struct timespec timeout = {.tv_sec = wait > 0 ? wait / 1000000000 : 0, .tv_nsec = wait > 0 ? wait % 1000000000 : 0};
    if (ppoll(polled, (nfds_t)count + 1, scheduled == 0 ? NULL : &timeout, NULL) < 0 && errno != EINTR) crash("ppoll");
    if (polled[0].revents != 0) read_commands();
    for (int index = 0; index < count; index++) if ((polled[index + 1].revents & POLLIN) != 0) read_from(index);
    while (scheduled > 0 && schedule[0]->due <= now()) go_on(take_earliest());
  }
}
