import random
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim
from torch.nn.utils.rnn import (
    pack_padded_sequence,
    pad_packed_sequence,
    pad_sequence,
    PackedSequence,
)

result = []


def show(*values):
    result.append([v.tolist() if torch.is_tensor(v) else v for v in values])


random = random.Random(0)
SOS_token, EOS_token, PAD = 1, 2, 0


class EncoderRNN(nn.Module):
    def __init__(self, input_size, hidden_size, dropout_p=0.1):
        super(EncoderRNN, self).__init__()
        self.hidden_size = hidden_size
        self.embedding = nn.Embedding(input_size, hidden_size, padding_idx=PAD)
        self.gru = nn.GRU(
            hidden_size,
            hidden_size,
            batch_first=True,
            bidirectional=True,
            num_layers=2,
            dropout=0.0,
        )
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, input, lengths):
        embedded = self.dropout(self.embedding(input))
        packed = pack_padded_sequence(
            embedded, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        output, hidden = self.gru(packed)
        output, _ = pad_packed_sequence(output, batch_first=True)
        output = output[:, :, : self.hidden_size] + output[:, :, self.hidden_size :]
        return output, hidden


class BahdanauAttention(nn.Module):
    def __init__(self, hidden_size):
        super().__init__()
        self.Wa = nn.Linear(hidden_size, hidden_size)
        self.Ua = nn.Linear(hidden_size, hidden_size)
        self.Va = nn.Linear(hidden_size, 1)

    def forward(self, query, keys, mask):
        scores = self.Va(torch.tanh(self.Wa(query) + self.Ua(keys)))
        scores = scores.squeeze(2).unsqueeze(1)
        scores.data.masked_fill_(~mask.unsqueeze(1), -1e9)
        weights = F.softmax(scores, dim=-1)
        context = torch.bmm(weights, keys)
        return context, weights


class AttnDecoderRNN(nn.Module):
    def __init__(self, hidden_size, output_size):
        super().__init__()
        self.embedding = nn.Embedding(output_size, hidden_size)
        self.attention = BahdanauAttention(hidden_size)
        self.gru = nn.GRU(2 * hidden_size, hidden_size, batch_first=True)
        self.out = nn.Linear(hidden_size, output_size)

    def forward(self, encoder_outputs, encoder_hidden, mask, target_tensor=None, max_len=5):
        batch_size = encoder_outputs.size(0)
        decoder_input = torch.empty(batch_size, 1, dtype=torch.long).fill_(SOS_token)
        decoder_hidden = encoder_hidden
        decoder_outputs, attentions = [], []
        for i in range(max_len):
            out, decoder_hidden, w = self.forward_step(
                decoder_input, decoder_hidden, encoder_outputs, mask
            )
            decoder_outputs.append(out)
            attentions.append(w)
            if target_tensor is not None:
                decoder_input = target_tensor[:, i].unsqueeze(1)
            else:
                _, topi = out.topk(1)
                decoder_input = topi.squeeze(-1).detach()
        decoder_outputs = F.log_softmax(torch.cat(decoder_outputs, dim=1), dim=-1)
        return decoder_outputs, decoder_hidden, torch.cat(attentions, dim=1)

    def forward_step(self, input, hidden, encoder_outputs, mask):
        embedded = self.embedding(input)
        query = hidden.permute(1, 0, 2)
        context, attn_weights = self.attention(query, encoder_outputs, mask)
        output, hidden = self.gru(torch.cat((embedded, context), dim=2), hidden)
        return self.out(output), hidden, attn_weights


pairs = [[random.randint(3, 9) for _ in range(random.randint(2, 4))] for _ in range(6)]
src = pad_sequence([torch.tensor(p + [EOS_token]) for p in pairs], batch_first=True)
lengths = torch.tensor([len(p) + 1 for p in pairs])
tgt = pad_sequence([torch.tensor(p[::-1] + [EOS_token]) for p in pairs], batch_first=True)
tgt = F.pad(tgt, (0, 5 - tgt.size(1)), value=PAD)
encoder, decoder = start(EncoderRNN(10, 12, 0.0)), start(AttnDecoderRNN(12, 10), 1)
enc_opt, dec_opt = (
    optim.Adam(encoder.parameters(), lr=0.01),
    optim.Adam(decoder.parameters(), lr=0.01),
)
criterion = nn.NLLLoss(ignore_index=PAD, reduction="sum")
mask = torch.arange(src.size(1))[None, :] < lengths[:, None]
for n in range(3):
    enc_opt.zero_grad()
    dec_opt.zero_grad()
    eo, eh = encoder(src, lengths)
    eh = eh.view(2, 2, src.size(0), -1).sum(1)[-1:].contiguous()
    out, _, attn = decoder(eo, eh, mask, tgt if random.random() < 0.7 else None)
    loss = criterion(out.reshape(-1, out.size(-1)), tgt.reshape(-1)) / (tgt != PAD).sum()
    loss.backward()
    nn.utils.clip_grad_value_(encoder.parameters(), 0.5)
    enc_opt.step()
    dec_opt.step()
    show(n, loss)
with torch.no_grad():
    packed = pack_padded_sequence(
        src.float().unsqueeze(-1), lengths, batch_first=True, enforce_sorted=False
    )
    show(packed.batch_sizes, packed.sorted_indices, list(packed.data.shape))
    show(attn.sum(-1).mean(), list(attn.shape), encoder.embedding.weight[PAD].abs().sum())
