Bpresent.0.decoder.keyJ@`’?Å
@ÎF<ÀqF@aTÀ%«ÀœªE¿@p‡‹=˜2K=n@›ÑÀ?üYÀ?~tŸ¿k‰‰¾†Î@