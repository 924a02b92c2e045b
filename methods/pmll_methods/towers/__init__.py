"""Pretrained encoders: CLIP models (open_clip), CNN trunks (torchvision, timm) and the embedded `tiny`."""
