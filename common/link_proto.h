/* SPDX-License-Identifier: MIT
 * link_proto.h - what master and worker say to each other over the link (see frame.h), and the
 * descriptors that a worker finds open when it starts. */
#ifndef LINK_PROTO_H
#define LINK_PROTO_H

enum {
	FD_LINK = 3,		/* socketpair to the master; end of file = the master is gone */
	FD_BOARD = 4,		/* the shared segment, mapped read-write */
	FD_LISTEN_0 = 5		/* listening sockets, in the order of the configuration */
};

enum link_frame {
	/* master to worker */
	LINK_HELLO = 1, /* u32 slot, u32 listeners, u64 bits: listener i is TLS, u8 log level,
			 * u8 log format, u8 prefix; fds: directory, journal */
	LINK_SNAPSHOT,	/* u64 generation; fds: the sealed memfd; where there is one, the
			 * cache's, which may be another than before */
	LINK_DRAIN,	/* u64 milliseconds to finish what runs */
	LINK_ANSWER,	/* u64 call, u32 status, u8 is_last, str piece */
	LINK_DIRECTORY, /* another one from now on, after an upgrade in place; fd: it */
	LINK_KEPT,	/* u64 call, u32 errno (0 = done), u32 bytes of the response, u32 of the
			 * items; fd: both texts, if there are any (see parcel.h) */
	LINK_RELEASED,	/* 32 bytes: the name of a claim that has ended; whoever waits for its
			 * answer claims it again */
	LINK_KEYS,	/* u64 version of the public keys of who signs tokens (0: none is newer than
			 * the last), u32 how many texts, of each u32 bytes and str its issuer
			 * (empty: it may be anybody's); fd: the texts (parcel.h) */
	LINK_TOKENIZER,	/* u32 enum encoding; fd: its image, a parcel; none: it was removed */
	/* worker to master */
	LINK_READY = 32, /* u64 generation */
	LINK_ADOPTED,	 /* u64 generation, u8 ok */
	LINK_CALL,	 /* u64 call, u8 role bits (1 admin, 2 viewer, 4 master key), u64 key id, 32
			  * bytes key hash, 16 bytes address, str changed_by, str method, str path,
			  * u8 is_last, str args */
	LINK_CALL_MORE,	 /* u64 call, u8 is_last, str args */
	LINK_KEEP,	 /* u64 call, u8 enum link_keep, u64 owner (a key's row), str id of the
			  * response, u32 bytes of it, u32 of the items; fd with LINK_KEEP_PUT
			  * and LINK_KEEP_ANSWER */
	LINK_KEYS_WANTED,/* u64 version that lacks one. It gets LINK_KEYS in return */
	LINK_ILL	 /* u64 0: its journal cannot be made durable. Said until it is replaced */
};
/* The member of a call's args with the models that its caller may use, as an array of names; what
 * such a caller sends by that name itself is not passed on. */
#define LINK_MODELS "caller_models"
enum link_keep {
	/* what is to be done with a conversation of /v1/responses */
	LINK_KEEP_PUT,
	LINK_KEEP_ITEMS,	/* the items are wanted */
	LINK_KEEP_ALL,		/* the response, too */
	LINK_KEEP_DELETE,
	LINK_KEEP_CONVERSATIONS,	/* those before it are about them */
	/* And with the answer to an Idempotency-Key. The id is 64 hex digits, the claim's name, and
	 * 64 more, the print of the request; response and items are the answer's head and body. */
	LINK_KEEP_CLAIM = LINK_KEEP_CONVERSATIONS, /* the answer, or else the right to make it */
	LINK_KEEP_ANSWER,	/* it is made; two empty texts: it was too long to be kept */
	LINK_KEEP_RELEASE,	/* it will not be made. Nothing is said in return */
	LINK_KEEP_COUNT
};
enum {
	LINK_KEYS_MAX = 8, LINK_KEYS_BYTES = 256 << 10,	/* texts of public keys; bytes of each */
	LINK_ISSUER_MAX = 1024,		/* bytes */
	LINK_PIECE = 60000,		/* bytes of a long content per frame */
	LINK_KEEPS = 64,		/* calls under way, per worker */
	LINK_KEEP_MAX = 16 << 20,	/* bytes of both texts together */
	LINK_KEEP_BYTES = 32 << 20,	/* of all that a worker has put and was not told about */
	LINK_KEEP_ID_MAX = 128
};

#endif
