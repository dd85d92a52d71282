/*
 * Netlink requests and port reservations. Synchronous: both answer in well under a millisecond.
 * Messages are built and parsed in TypeScript; this file only carries bytes, into another network namespace if asked.
 */
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "support.h"

struct open_request { int protocol, netns_fd, fd, error; };

/* A socket belongs to the namespace it was created in, for good: only its creation needs the thread. */
static void *open_in_netns(void *argument) {
  struct open_request *request = argument;
  if (request->netns_fd >= 0 && setns(request->netns_fd, CLONE_NEWNET) < 0) { request->error = errno; return NULL; }
  request->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, request->protocol);
  if (request->fd < 0) request->error = errno;
  return NULL;
}

static int open_netlink(int protocol, int netns_fd, int *error) {
  struct open_request request = {protocol, netns_fd, -1, 0};
  if (netns_fd < 0) {
    open_in_netns(&request);
  } else {
    pthread_t thread;
    int failed = pthread_create(&thread, NULL, open_in_netns, &request);
    if (failed) { *error = failed; return -1; }
    pthread_join(thread, NULL);
  }
  *error = request.error;
  return request.fd;
}

/* How many final answers (acknowledgement or end of dump) the kernel owes us for these messages. */
static int count_answers(const unsigned char *data, size_t length) {
  int answers = 0;
  size_t offset = 0;
  while (offset + NLMSG_HDRLEN <= length) {
    struct nlmsghdr header;
    memcpy(&header, data + offset, sizeof header);
    if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > length - offset) return -1;
    if (header.nlmsg_flags & NLM_F_ACK || (header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP) answers++;
    offset += NLMSG_ALIGN(header.nlmsg_len);
  }
  return answers;
}

static int count_final(const unsigned char *data, size_t length) {
  int final = 0;
  size_t offset = 0;
  while (offset + NLMSG_HDRLEN <= length) {
    struct nlmsghdr header;
    memcpy(&header, data + offset, sizeof header);
    if (header.nlmsg_len < NLMSG_HDRLEN) break;
    if (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE) final++;
    offset += NLMSG_ALIGN(header.nlmsg_len);
  }
  return final;
}

/* netlinkRequest(protocol, messages, netnsFd): the kernel's answers, concatenated. */
static napi_value netlink_request(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  int protocol, netns_fd;
  tp_bytes messages;
  if (!tp_args(env, info, 3, argv) || !tp_int(env, argv[0], &protocol) || !tp_buffer(env, argv[1], &messages) ||
      !tp_int(env, argv[2], &netns_fd)) return NULL;
  int answers = count_answers(messages.data, messages.length);
  if (answers < 0) return tp_throw(env, EINVAL, "netlink", "request");
  int error;
  int fd = open_netlink(protocol, netns_fd, &error);
  if (fd < 0) return tp_throw(env, error, "socket", "AF_NETLINK");
  int on = 1, receive_bytes = 4 << 20;
  setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof receive_bytes);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &receive_bytes, sizeof receive_bytes);
  /* The kernel answers before send() returns; the timeout is for a message it never answers. */
  struct timeval timeout = {10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  size_t capacity = 64 << 10, used = 0;
  unsigned char *reply = malloc(capacity);
  if (!reply) { close(fd); return tp_throw(env, ENOMEM, "netlink", "reply"); }
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  if (sendto(fd, messages.data, messages.length, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0) {
    error = errno; free(reply); close(fd);
    return tp_throw(env, error, "sendto", "netlink");
  }
  while (answers > 0) {
    if (capacity - used < 64 << 10) {
      unsigned char *larger = realloc(reply, capacity *= 2);
      if (!larger) { free(reply); close(fd); return tp_throw(env, ENOMEM, "netlink", "reply"); }
      reply = larger;
    }
    ssize_t got = recv(fd, reply + used, capacity - used, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) { error = got < 0 ? errno : EBADF; free(reply); close(fd); return tp_throw(env, error, "recv", "netlink"); }
    answers -= count_final(reply + used, (size_t)got);
    used += NLMSG_ALIGN((size_t)got);
  }
  close(fd);
  napi_value result;
  napi_status status = napi_create_buffer_copy(env, used, reply, NULL, &result);
  free(reply);
  return status == napi_ok ? result : NULL;
}

/* bindPort(type, protocol, address, port): [fd, port]. Stream sockets listen, or others could still bind with SO_REUSEADDR. */
static napi_value bind_port(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  int type, protocol, port;
  tp_string host;
  if (!tp_args(env, info, 4, argv) || !tp_int(env, argv[0], &type) || !tp_int(env, argv[1], &protocol) ||
      !tp_path(env, argv[2], &host) || !tp_int(env, argv[3], &port)) return NULL;
  const char *address = host.text;
  struct sockaddr_storage storage = {0};
  struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
  socklen_t size = sizeof *v4;
  if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
  } else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    size = sizeof *v6;
  } else {
    return tp_throw(env, EINVAL, "bind", address);
  }
  int fd = socket(storage.ss_family, type | SOCK_CLOEXEC, protocol);
  if (fd < 0) return tp_throw(env, errno, "socket", address);
  int on = 1;
  if (type == SOCK_STREAM) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (storage.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&storage, size) < 0 || (type == SOCK_STREAM && listen(fd, 1) < 0) ||
      getsockname(fd, (struct sockaddr *)&storage, &size) < 0) {
    int error = errno;
    close(fd);
    return tp_throw(env, error, "bind", address);
  }
  napi_value result, value;
  napi_create_array_with_length(env, 2, &result);
  napi_create_int32(env, fd, &value);
  napi_set_element(env, result, 0, value);
  napi_create_int32(env, ntohs(v4->sin_port), &value);
  napi_set_element(env, result, 1, value);
  return result;
}

void tp_init_network(napi_env env, napi_value exports) {
  tp_export(env, exports, "netlinkRequest", netlink_request);
  tp_export(env, exports, "bindPort", bind_port);
}
